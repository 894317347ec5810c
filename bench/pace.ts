import type { Workload } from './workloads.js'

/** How thoroughly is measured. */
export interface Pace {
  /** Of the messages and backlogs of each workload. */
  readonly share: number
  /** The warm-up of a process ends after this time, in milliseconds. */
  readonly maxWarmUp: number
  /** No window is longer, in milliseconds. */
  readonly maxWindow: number
  /** A JVM works for this long before it is measured, in milliseconds. */
  readonly javaWarmUp: number
  /** The broker works for this long before anything is measured, in milliseconds. */
  readonly brokerWarmUp: number
}

export const FULL_PACE: Pace = {
  share: 1,
  maxWarmUp: 3_000,
  maxWindow: Number.POSITIVE_INFINITY,
  javaWarmUp: 20_000,
  brokerWarmUp: 15_000,
}

/** Does everything run? The figures mean little. */
export const QUICK_PACE: Pace = { share: 0.1, maxWarmUp: 400, maxWindow: 600, javaWarmUp: 2_000, brokerWarmUp: 1_000 }

/** Both builds shall do the same work, however slow the machine is: limits of time are out of reach. */
export const COMPARE_PACE: Pace = { ...FULL_PACE, maxWarmUp: 8_000 }

/** A workload at another pace. */
export function paced(workload: Workload, { share, maxWindow }: Pace): Workload {
  const scaled = (value: number): number => Math.ceil(value * share)
  return {
    ...workload,
    warmUp: scaled(workload.warmUp),
    messages: scaled(workload.messages),
    backlog: scaled(workload.backlog),
    // End to end it is a limit only: the rate makes the window.
    maxWindow: workload.kind === 'end-to-end' ? workload.maxWindow : Math.min(workload.maxWindow, maxWindow),
  }
}
