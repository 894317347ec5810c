import type { Outcome } from './clients/job.js'
import { type Summary, summarize } from './statistics.js'
import { type ClientName, OURS, type Target, type Workload } from './workloads.js'

/** One process of one round. */
export interface Run {
  readonly workload: string
  readonly client: ClientName
  readonly round: number
  /** Whether there was time for the whole warm-up. */
  readonly isWarm: boolean
  readonly outcome: Outcome
}

/** What is told of a run, each as one number. */
export const FIGURES = {
  /** Messages a second. */
  rate: (outcome: Outcome): number => outcome.messages / outcome.seconds,
  /** CPU time of the client for one message, in microseconds. */
  cpu: (outcome: Outcome): number => outcome.cpu / outcome.messages,
  /** Peak resident memory, in MiB. */
  memory: (outcome: Outcome): number => outcome.peakRss / (1024 * 1024),
} as const

export type Figure = keyof typeof FIGURES

/** One row of a workload's table. */
export interface Row {
  readonly client: ClientName
  readonly rounds: number
  /** Rounds in which the warm-up was cut short, so that the compiler's work is in the figures. */
  readonly coldRounds: number
  readonly figures: Readonly<Record<Figure, Summary>>
  /** The figure's median divided by ours. */
  readonly ratios: Readonly<Partial<Record<Figure, number>>>
}

/** The rows of a workload, ours first; a client of which no run succeeded has none. */
export function rowsOf(workload: Workload, runs: readonly Run[]): Row[] {
  const ours = figuresOf(workload, OURS, runs)
  return workload.clients.flatMap((client) => {
    const figures = figuresOf(workload, client, runs)
    if (figures === undefined) return []
    const ratios: Partial<Record<Figure, number>> = {}
    if (ours !== undefined) {
      for (const figure of Object.keys(FIGURES) as Figure[])
        ratios[figure] = figures[figure].median / ours[figure].median
    }
    const own = runsOf(workload.name, client, runs)
    return [{ client, rounds: own.length, coldRounds: own.filter((run) => !run.isWarm).length, figures, ratios }]
  })
}

/**
 * Our figure divided by the other client's, round by round: the two ran one behind the other, so that what slows the machine for a while hits both.
 * Undefined when there is no round that has both.
 */
export function targetRatio(target: Target, runs: readonly Run[]): Summary | undefined {
  const read = FIGURES[target.figure]
  const others = runsOf(target.workload, target.against, runs)
  const ratios = runsOf(target.workload, OURS, runs).flatMap((own) => {
    const other = others.find((run) => run.round === own.round)
    return other === undefined ? [] : [read(own.outcome) / read(other.outcome)]
  })
  return ratios.length === 0 ? undefined : summarize(ratios)
}

function figuresOf(workload: Workload, client: ClientName, runs: readonly Run[]): Record<Figure, Summary> | undefined {
  const outcomes = runsOf(workload.name, client, runs).map((run) => run.outcome)
  if (outcomes.length === 0) return undefined
  return {
    rate: summarize(outcomes.map(FIGURES.rate)),
    cpu: summarize(outcomes.map(FIGURES.cpu)),
    memory: summarize(outcomes.map(FIGURES.memory)),
  }
}

function runsOf(workload: string, client: ClientName, runs: readonly Run[]): Run[] {
  return runs.filter((run) => run.workload === workload && run.client === client)
}
