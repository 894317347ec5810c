import { type Summary, summarize } from '../statistics.js'
import type { Case } from './micro-case.js'

/** Longer than any pause of the garbage collector, in milliseconds. */
const SAMPLE = 40
const SAMPLES = 15

/**
 * How many nanoseconds of CPU time one operation takes: a summary of 15 samples of 40 ms each, after a warm-up of the same length.
 */
export async function timeCase({ operations, body }: Case): Promise<Summary> {
  const calls = await callsIn(SAMPLE, body)
  const samples: number[] = []
  for (let sample = 0; sample < SAMPLES; sample++) {
    samples.push(((await timeCalls(calls, body)) * 1e6) / (calls * operations))
  }
  return summarize(samples)
}

/** How often `body` can be called in that time, once it is compiled. */
async function callsIn(milliseconds: number, body: Case['body']): Promise<number> {
  let calls = 1
  for (;;) {
    const elapsed = await timeCalls(calls, body)
    if (elapsed > milliseconds * SAMPLES) return Math.max(1, Math.round((calls * milliseconds) / elapsed))
    calls *= 2
  }
}

/** CPU time of the whole process, in milliseconds: other programs of the machine don't count. */
async function timeCalls(calls: number, body: Case['body']): Promise<number> {
  const before = process.cpuUsage()
  for (let i = 0; i < calls; i++) {
    const done = body()
    if (done !== undefined) await done
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
