import type { Summary } from '../statistics.js'

/** What one case of the micro-benchmarks costs. */
export interface MicroResult {
  /** The same for all who do the same. */
  readonly name: string
  readonly by: 'rocketmq-remoting' | 'ali-ons'
  /** CPU time of one operation, in nanoseconds. */
  readonly nanoseconds: Summary
  /** Bytes allocated by one operation, on the heap and in buffers. */
  readonly bytes: number
}
