import type { Outcome } from './clients/job.js'
import { type Summary, summarize } from './statistics.js'
import { type ClientName, OURS, type Workload } from './workloads.js'

/** One process of one round. */
export interface Run {
  readonly workload: string
  readonly client: ClientName
  readonly round: number
  /** Whether there was time for the whole warm-up. */
  readonly isWarm: boolean
  /** Of the messages sent, how many the broker has: below 1 only oneway. */
  readonly arrived: number
  readonly outcome: Outcome
}

/** A process that has no outcome. */
export interface Failure {
  readonly workload: string
  readonly client: ClientName
  readonly round: number
  readonly reason: string
}

/** What is told of a run, each as one number; undefined where it has none. */
export const FIGURES = {
  /** Messages a second. */
  rate: ({ outcome, arrived }: Run): number | undefined => (outcome.messages * arrived) / outcome.seconds,
  /** CPU time of the client for one message, in microseconds. */
  cpu: ({ outcome, arrived }: Run): number | undefined => outcome.cpu / (outcome.messages * arrived),
  /** Latencies in microseconds. */
  p50: ({ outcome }: Run): number | undefined => outcome.latency?.p50,
  p99: ({ outcome }: Run): number | undefined => outcome.latency?.p99,
  p999: ({ outcome }: Run): number | undefined => outcome.latency?.p999,
  /** Peak resident memory, in MiB. */
  memory: ({ outcome }: Run): number | undefined =>
    outcome.peakRss === 0 ? undefined : outcome.peakRss / (1024 * 1024),
} as const

export type Figure = keyof typeof FIGURES

export const FIGURE_NAMES = Object.keys(FIGURES) as readonly Figure[]

export type Figures = Readonly<Partial<Record<Figure, Summary>>>

/** One row of a workload's table. */
export interface Row {
  readonly client: ClientName
  readonly rounds: number
  /** Rounds in which the warm-up was cut short, so that the compiler's work is in the figures. */
  readonly coldRounds: number
  /** The smallest share of messages that arrived. */
  readonly arrived: number
  readonly figures: Figures
  /** The figure's median divided by ours. */
  readonly ratios: Readonly<Partial<Record<Figure, number>>>
}

/** The rows of a workload in its order of clients; a client of which no run succeeded has none. */
export function rowsOf(workload: Workload, runs: readonly Run[]): Row[] {
  const ours = figuresOf(runsOf(workload.name, OURS, runs))
  return workload.clients.flatMap((client) => {
    const own = runsOf(workload.name, client, runs)
    if (own.length === 0) return []
    const figures = figuresOf(own)
    const ratios: Partial<Record<Figure, number>> = {}
    for (const figure of FIGURE_NAMES) {
      const [theirs, base] = [figures[figure], ours[figure]]
      if (theirs !== undefined && base !== undefined) ratios[figure] = theirs.median / base.median
    }
    const coldRounds = own.filter((run) => !run.isWarm).length
    const arrived = Math.min(...own.map((run) => run.arrived))
    return [{ client, rounds: own.length, coldRounds, arrived, figures, ratios }]
  })
}

/**
 * One client's figure divided by another's, round by round: they ran one behind the other, so that what slows the machine for a while hits both.
 */
export function pairedRatios(
  workload: string,
  figure: Figure,
  client: ClientName,
  against: ClientName,
  runs: readonly Run[],
): number[] {
  const read = FIGURES[figure]
  const others = runsOf(workload, against, runs)
  return runsOf(workload, client, runs).flatMap((own) => {
    const other = others.find((run) => run.round === own.round)
    const [mine, theirs] = [read(own), other === undefined ? undefined : read(other)]
    return mine === undefined || theirs === undefined ? [] : [mine / theirs]
  })
}

export function runsOf(workload: string, client: ClientName, runs: readonly Run[]): Run[] {
  return runs.filter((run) => run.workload === workload && run.client === client)
}

function figuresOf(runs: readonly Run[]): Figures {
  const figures: Partial<Record<Figure, Summary>> = {}
  for (const figure of FIGURE_NAMES) {
    const values = runs.map(FIGURES[figure]).filter((value) => value !== undefined)
    if (values.length > 0) figures[figure] = summarize(values)
  }
  return figures
}

const REASON_LENGTH = 300

/** The first line of what went wrong, without folders of this machine: results are kept and shown. */
export function shortReason(reason: string): string {
  const [line = ''] = reason.split('\n')
  return line.replaceAll(/(?:file:\/\/)?(?:\/[\w.@+~-]+)*\/([\w.@+~-]+)/g, '$1').slice(0, REASON_LENGTH)
}
