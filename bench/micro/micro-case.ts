import type { MicroResult } from './micro-result.js'

/** One thing that is done again and again. */
export interface Case {
  /** The same for all who do the same. */
  readonly name: string
  readonly by: MicroResult['by']
  /** Operations of one call. */
  readonly operations: number
  readonly body: () => void | Promise<void>
}
