import { type Summary, summarize } from './statistics.js'

/** Longer than any pause of the garbage collector, in milliseconds. */
const SAMPLE = 40
const SAMPLES = 15

/**
 * How many nanoseconds of CPU time one operation takes: a summary of 15 samples of 40 ms each, after a warm-up of the same length.
 *
 * @param operations - Operations of one call of `body`.
 */
export function timeCase(operations: number, body: () => void): Summary {
  const calls = callsIn(SAMPLE, body)
  const samples = Array.from({ length: SAMPLES }, () => (timeCalls(calls, body) * 1e6) / (calls * operations))
  return summarize(samples)
}

/** How often `body` can be called in that time, once it is compiled. */
function callsIn(milliseconds: number, body: () => void): number {
  let calls = 1
  for (;;) {
    const elapsed = timeCalls(calls, body)
    if (elapsed > milliseconds * SAMPLES) return Math.max(1, Math.round((calls * milliseconds) / elapsed))
    calls *= 2
  }
}

/** CPU time of the whole process, in milliseconds: other programs of the machine don't count. */
function timeCalls(calls: number, body: () => void): number {
  const before = process.cpuUsage()
  for (let i = 0; i < calls; i++) body()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
