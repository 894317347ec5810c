import { type Row, type Run, rowsOf, targetRatio } from './results.js'
import type { Summary } from './statistics.js'
import { CLIENT_TITLES, TARGETS, type Workload } from './workloads.js'

/** The Markdown report: one table for each workload, then the targets. */
export function renderReport(workloads: readonly Workload[], runs: readonly Run[]): string {
  const parts = workloads.map((workload) => renderWorkload(workload, rowsOf(workload, runs)))
  return [...parts, renderTargets(workloads, runs)].filter((part) => part !== '').join('\n\n')
}

const HEADER = [
  '| client | messages/s | min–max | ratio | client CPU µs/message | min–max | ratio | peak RSS MiB | ratio |',
  '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
]

function renderWorkload(workload: Workload, rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { rate, cpu, memory } = row.figures
    const cells = [
      CLIENT_TITLES[row.client],
      ...[whole(rate.median), spread(rate, whole), ratio(row.ratios.rate)],
      ...[short(cpu.median), spread(cpu, short), ratio(row.ratios.cpu)],
      ...[whole(memory.median), ratio(row.ratios.memory)],
    ]
    return `| ${cells.join(' | ')} |`
  })
  const missing = workload.clients.filter((client) => !rows.some((row) => row.client === client))
  const failed = missing.map((client) => `${CLIENT_TITLES[client]} failed in every round.`)
  const cold = rows
    .filter((row) => row.coldRounds > 0)
    .map(
      (row) =>
        `${CLIENT_TITLES[row.client]} had no time for its whole warm-up in ${row.coldRounds} of ${row.rounds} rounds: it costs less once it is warm.`,
    )
  const notes = [...(workload.note === undefined ? [] : [workload.note]), ...failed, ...cold]
  const note = notes.length === 0 ? [] : ['', notes.join(' ')]
  return [`### ${workload.title} (\`${workload.name}\`)`, '', ...HEADER, ...lines, ...note].join('\n')
}

function renderTargets(workloads: readonly Workload[], runs: readonly Run[]): string {
  const lines = TARGETS.filter((target) => workloads.some((workload) => workload.name === target.workload)).map(
    (target) => {
      const measured = targetRatio(target, runs)
      const what = `\`${target.workload}\`: ${target.figure === 'cpu' ? 'client CPU per message' : 'messages/s'} against ${CLIENT_TITLES[target.against]}`
      if (measured === undefined) return `| ${what} | ≤ ${target.atMost} | not measured | | |`
      const verdict = measured.median <= target.atMost ? 'yes' : '**no**'
      return `| ${what} | ≤ ${target.atMost} | ${ratio(measured.median)} | ${spread(measured, ratio)} | ${verdict} |`
    },
  )
  if (lines.length === 0) return ''
  return [
    '### Targets',
    '',
    '| this client divided by the other, round by round | target | median | min–max | met |',
    '| --- | ---: | ---: | ---: | --- |',
    ...lines,
  ].join('\n')
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function short(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1)
}

function ratio(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(2)
}

function spread(summary: Summary, format: (value: number) => string): string {
  return `${format(summary.min)}–${format(summary.max)}`
}
