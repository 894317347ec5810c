import { BenchBroker } from '../bench-broker.js'
import { Clients } from '../measured/clients.js'
import type { BenchOptions } from '../options.js'
import { COMPARE_PACE, type Pace, paced, QUICK_PACE } from '../pace.js'
import { short, table } from '../report/format.js'
import { FIGURES, pairedRatios, runsOf } from '../results.js'
import { Rounds } from '../rounds.js'
import { median } from '../statistics.js'
import { type ClientName, OURS, REVISION, type Workload } from '../workloads.js'
import { buildRevision } from './revision-build.js'
import { type Comparison, isLook, judge, mostRounds } from './verdict.js'

/** Of a measured window. */
const MOST_MESSAGES = 150_000
const MAX_WINDOW = 12_000
/** For everything, in milliseconds. */
const BUDGET = 60 * 60_000

/** Measures this working copy and an older revision of it, one behind the other, and tells what changed; 1 when a workload became slower or could not be compared. */
export async function compare(options: BenchOptions): Promise<number> {
  const revision = await buildRevision(options.revision)
  try {
    const broker = await BenchBroker.start()
    try {
      return await compareAt(broker, options, revision.commit, revision.entryFile)
    } finally {
      await broker.stop()
    }
  } finally {
    await revision.remove()
  }
}

async function compareAt(
  broker: BenchBroker,
  options: BenchOptions,
  commit: string,
  revisionFile: string,
): Promise<number> {
  const pace = options.isQuick ? QUICK_PACE : COMPARE_PACE
  const clients = new Clients('')
  const rounds = new Rounds(broker, clients, {
    pace,
    profile: { cpu: options.cpuProfiles, heap: options.heapProfiles },
    end: Date.now() + BUDGET,
    revisionFile,
  })
  await rounds.warmUpBroker()
  const rows: { workload: Workload; comparison: Comparison | undefined }[] = []
  for (const workload of options.workloads) {
    rows.push({ workload, comparison: await compareWorkload(rounds, clients, workload, pace, options) })
  }
  console.log(`This working copy against ${commit}: CPU for one message, by interleaved rounds.\n`)
  console.log(render(rows, rounds))
  const failures = rounds.failures.map(({ workload, client, reason }) => `Failed: ${workload}, ${client}: ${reason}`)
  for (const failure of new Set(failures)) console.log(`\n${failure}`)
  const isBad = rows.some(({ comparison }) => comparison === undefined || comparison.verdict === 'slower')
  return isBad ? 1 : 0
}

/** Rounds until the verdict is clear, at least as many as were asked for. */
async function compareWorkload(
  rounds: Rounds,
  clients: Clients,
  workload: Workload,
  pace: Pace,
  options: BenchOptions,
): Promise<Comparison | undefined> {
  const processes = new Map([
    [OURS, await clients.open(OURS)],
    [REVISION, await clients.open(REVISION)],
  ])
  const scaled = comparable(paced(workload, pace))
  const burnOf = (client: ClientName): number => {
    if (client !== OURS || options.plant === 0) return 0
    const before = runsOf(workload.name, REVISION, rounds.runs).map((run) => FIGURES.cpu(run) ?? 0)
    return before.length === 0 ? 0 : (median(before) * options.plant) / 100
  }
  let comparison: Comparison | undefined
  for (let round = 1; round <= mostRounds(options.rounds); round++) {
    // The second of two may find the machine warmer, so that they change places; the older one is first at first, for `--plant`.
    const order = round % 2 === 1 ? [REVISION, OURS] : [OURS, REVISION]
    await rounds.measureRound({ ...scaled, clients: order }, round, processes, (client) => ({ burn: burnOf(client) }))
    if (!isLook(round, options.rounds)) continue
    const ratios = pairedRatios(workload.name, 'cpu', OURS, REVISION, rounds.runs)
    if (ratios.length === 0) return undefined
    comparison = judge(ratios)
    if (comparison.verdict !== 'unclear') break
  }
  return comparison
}

/** So many messages that their time is no limit on a slow machine either. */
function comparable(workload: Workload): Workload {
  return { ...workload, messages: Math.min(workload.messages, MOST_MESSAGES), maxWindow: MAX_WINDOW }
}

function render(rows: readonly { workload: Workload; comparison: Comparison | undefined }[], rounds: Rounds): string {
  const cpuOf = (workload: Workload, client: ClientName): string => {
    const values = runsOf(workload.name, client, rounds.runs).map((run) => FIGURES.cpu(run) ?? 0)
    return values.length === 0 ? '–' : short(median(values))
  }
  const cells = rows.map(({ workload, comparison }) => {
    const both = [workload.name, cpuOf(workload, REVISION), cpuOf(workload, OURS)]
    if (comparison === undefined) return [...both, '–', '–', '0', '**not compared**']
    const { ratio, verdict } = comparison
    return [
      ...both,
      ratio.estimate.toFixed(3),
      `${ratio.low.toFixed(3)}–${ratio.high.toFixed(3)}`,
      String(comparison.rounds),
      verdict === 'same' ? 'same' : `**${verdict}**`,
    ]
  })
  const header = ['workload', 'CPU µs before', 'CPU µs now', 'now / before', '99 % interval', 'rounds', 'verdict']
  return table(header, 1, cells)
}
