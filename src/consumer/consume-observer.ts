import type { ConsumeReturnType } from '../client/trace/trace-record.js'
import type { ConsumeRun } from './consumed-queue.js'

/** How a handler ended. */
export interface ConsumeOutcome {
  /** Whether it returned, or its promise resolved. */
  readonly isSuccess: boolean
  readonly type: ConsumeReturnType
  /** How long the handler took, in milliseconds. */
  readonly elapsed: number
  /** What the handler threw, or why nobody waited for it. */
  readonly error: unknown
}

/** Is told of each call of the handler. Must not throw. */
export interface ConsumeObserver {
  before(run: ConsumeRun): void
  after(run: ConsumeRun, outcome: ConsumeOutcome): void
}
