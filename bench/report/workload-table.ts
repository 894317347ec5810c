import { type Failure, type Figures, type Row, type Run, rowsOf } from '../results.js'
import { CLIENT_TITLES, type Family, OURS, sizeName, type Workload } from '../workloads.js'
import { ratio, short, spread, table, whole } from './format.js'

/** The table of one family, every size of it, with what has to be said about it below. */
export function renderFamily(
  family: Family,
  workloads: readonly Workload[],
  runs: readonly Run[],
  failures: readonly Failure[],
): string {
  const rows = workloads.flatMap((workload) => rowsOf(workload, runs).map((row) => ({ workload, row })))
  const hasLatency = rows.some(({ row }) => row.figures.p50 !== undefined)
  const latency = ['p50 µs', 'ratio', 'p99 µs', 'ratio', 'p999 µs', 'ratio']
  const header = [
    ...['body', 'client', 'messages/s', 'min–max', 'ratio', 'CPU µs/message', 'min–max', 'ratio'],
    ...(hasLatency ? latency : []),
    ...['peak RSS MiB', 'ratio'],
  ]
  const body = rows.map(({ workload, row }) => [
    sizeName(workload.bodySize),
    row.client === OURS ? `**${CLIENT_TITLES[row.client]}**` : CLIENT_TITLES[row.client],
    ...rateAndCpu(row),
    ...(hasLatency ? latencyCells(row) : []),
    row.figures.memory === undefined ? '–' : whole(row.figures.memory.median),
    ratio(row.ratios.memory),
  ])
  const notes = [
    ...(family.note === undefined ? [] : [family.note]),
    ...rows.flatMap(({ workload, row }) => notesOf(workload, row)),
    ...failureNotes(workloads, failures),
  ]
  return [table(header, 2, body), ...(notes.length === 0 ? [] : ['', notes.join('\n')])].join('\n')
}

function rateAndCpu({ figures, ratios }: Row): string[] {
  return [...cells(figures, 'rate', whole), ratio(ratios.rate), ...cells(figures, 'cpu', short), ratio(ratios.cpu)]
}

function cells(figures: Figures, figure: 'rate' | 'cpu', format: (value: number) => string): string[] {
  const summary = figures[figure]
  return summary === undefined ? ['–', '–'] : [format(summary.median), spread(summary, format)]
}

function latencyCells({ figures, ratios }: Row): string[] {
  return (['p50', 'p99', 'p999'] as const).flatMap((figure) => {
    const summary = figures[figure]
    return [summary === undefined ? '–' : whole(summary.median), ratio(ratios[figure])]
  })
}

function notesOf(workload: Workload, row: Row): string[] {
  const who = `${CLIENT_TITLES[row.client]}, ${sizeName(workload.bodySize)}`
  const notes: string[] = []
  // The Java client has had its warm-up before.
  if (row.coldRounds > 0 && row.client !== 'java')
    notes.push(`${who}: the warm-up was cut short in ${row.coldRounds} of ${row.rounds} rounds.`)
  if (row.arrived < 1)
    notes.push(`${who}: of what it sent, the broker has ${(row.arrived * 100).toFixed(1)} % in its worst round.`)
  return notes
}

/** One sentence for each client and reason. */
export function failureNotes(workloads: readonly Workload[], failures: readonly Failure[]): string[] {
  const byReason = new Map<string, string[]>()
  for (const { workload, client, round, reason } of failures) {
    const found = workloads.find(({ name }) => name === workload)
    if (found === undefined) continue
    const key = `${CLIENT_TITLES[client]} failed: ${reason}`
    const where = round === 0 ? sizeName(found.bodySize) : `${sizeName(found.bodySize)} round ${round}`
    byReason.set(key, [...(byReason.get(key) ?? []), where])
  }
  return [...byReason].map(([key, places]) => `${key} (${places.join(', ')}).`)
}
