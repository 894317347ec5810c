import { type Figure, pairedRatios, type Run, rowsOf } from './results.js'
import { type Summary, summarize } from './statistics.js'
import { type ClientName, OURS, PEERS, WORKLOADS, type Workload } from './workloads.js'

/** What this client must reach: its figure divided by the other's, the best peer's or a ceiling's. */
export interface Target {
  readonly family: string
  /** Default: all. */
  readonly sizes?: readonly number[]
  readonly figure: Figure
  readonly against: 'best peer' | ClientName
  readonly atMost?: number
  readonly atLeast?: number
}

export interface MeasuredTarget {
  readonly target: Target
  readonly workload: Workload
  /** The peer that was the best, or the ceiling. */
  readonly against: ClientName | undefined
  /** Undefined when one of the two has no figure. */
  readonly ratio: Summary | undefined
  readonly isMet: boolean | undefined
}

const SMALL: readonly number[] = [128, 1024]

export const TARGETS: readonly Target[] = [
  { family: 'send-1', figure: 'p50', against: 'best peer', atMost: 0.9 },
  { family: 'send-1', figure: 'cpu', against: 'best peer', atMost: 0.6 },
  { family: 'send-1', figure: 'p50', against: 'raw-enc', atMost: 1.1 },
  ...['send-64', 'send-256'].flatMap((family): Target[] => [
    { family, sizes: SMALL, figure: 'rate', against: 'best peer', atLeast: 1.4 },
    { family, sizes: SMALL, figure: 'cpu', against: 'best peer', atMost: 0.45 },
    { family, sizes: SMALL, figure: 'cpu', against: 'raw-enc', atMost: 1 },
  ]),
  { family: 'batch', sizes: [128], figure: 'rate', against: 'best peer', atLeast: 1 },
  { family: 'batch', sizes: [1024], figure: 'rate', against: 'best peer', atLeast: 1.5 },
  { family: 'batch', sizes: SMALL, figure: 'cpu', against: 'best peer', atMost: 0.8 },
  { family: 'batch', sizes: SMALL, figure: 'rate', against: 'raw-enc', atLeast: 0.8 },
  { family: 'auto-batch', figure: 'rate', against: 'best peer', atLeast: 5 },
  { family: 'auto-batch', figure: 'cpu', against: 'best peer', atMost: 0.2 },
  { family: 'oneway', figure: 'rate', against: 'best peer', atLeast: 1.5 },
  { family: 'oneway', figure: 'cpu', against: 'best peer', atMost: 0.4 },
  { family: 'push', figure: 'rate', against: 'best peer', atLeast: 2.2 },
  { family: 'push', figure: 'cpu', against: 'best peer', atMost: 0.35 },
  { family: 'push', figure: 'rate', against: 'raw-full', atLeast: 0.85 },
  { family: 'pull', figure: 'rate', against: 'best peer', atLeast: 4 },
  { family: 'pull', figure: 'cpu', against: 'best peer', atMost: 0.2 },
  { family: 'pull', figure: 'rate', against: 'raw-dec', atLeast: 0.8 },
  { family: 'ordered', figure: 'rate', against: 'best peer', atLeast: 2 },
  { family: 'ordered', figure: 'cpu', against: 'best peer', atMost: 0.4 },
  { family: 'end-to-end', figure: 'p50', against: 'best peer', atMost: 1 },
  { family: 'end-to-end', figure: 'p99', against: 'best peer', atMost: 1 },
  { family: 'end-to-end', figure: 'cpu', against: 'best peer', atMost: 0.9 },
  ...['send-1', 'send-64', 'send-256', 'auto-batch', 'push', 'end-to-end'].map(
    (family): Target => ({ family, figure: 'memory', against: 'ali-ons', atMost: 1 }),
  ),
]

/** Every target for each of its sizes that was measured. */
export function measureTargets(runs: readonly Run[]): MeasuredTarget[] {
  return TARGETS.flatMap((target) =>
    WORKLOADS.filter(({ family, bodySize }) => family === target.family && (target.sizes?.includes(bodySize) ?? true))
      .filter(({ name }) => runs.some((run) => run.workload === name && run.client === OURS))
      .map((workload) => measure(target, workload, runs)),
  )
}

function measure(target: Target, workload: Workload, runs: readonly Run[]): MeasuredTarget {
  const against = target.against === 'best peer' ? bestPeer(workload, target, runs) : target.against
  const ratios = against === undefined ? [] : pairedRatios(workload.name, target.figure, OURS, against, runs)
  if (ratios.length === 0) return { target, workload, against, ratio: undefined, isMet: undefined }
  const ratio = summarize(ratios)
  const { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = target
  return { target, workload, against, ratio, isMet: ratio.median <= atMost && ratio.median >= atLeast }
}

/** The peer with the best median: the highest where more is better, else the lowest. */
function bestPeer(workload: Workload, { figure }: Target, runs: readonly Run[]): ClientName | undefined {
  const sign = figure === 'rate' ? -1 : 1
  const medians = rowsOf(workload, runs).flatMap(({ client, figures }) => {
    const value = figures[figure]?.median
    return PEERS.includes(client) && value !== undefined ? [{ client, value: value * sign }] : []
  })
  return medians.sort((a, b) => a.value - b.value)[0]?.client
}
