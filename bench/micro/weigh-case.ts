import { median } from '../statistics.js'
import type { Case } from './micro-case.js'

/** Below the size of the young generation that the process is started with, so that no collection takes anything away, in bytes. */
const MOST = 24 * 1024 * 1024
const SAMPLES = 9
const WARM_UP_CALLS = 300

/**
 * How many bytes one operation allocates, on the heap and in buffers.
 *
 * Needs a process with `--expose-gc` and a large young generation.
 */
export async function weighCase({ operations, body }: Case): Promise<number> {
  for (let i = 0; i < WARM_UP_CALLS; i++) await body()
  const one = Math.max(1, await bytesOf(1, body))
  const calls = Math.max(1, Math.min(200, Math.floor(MOST / one)))
  const samples: number[] = []
  for (let sample = 0; sample < SAMPLES; sample++) samples.push((await bytesOf(calls, body)) / (calls * operations))
  return Math.max(0, median(samples))
}

async function bytesOf(calls: number, body: Case['body']): Promise<number> {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('bytes are counted only with --expose-gc')
  gc()
  const before = process.memoryUsage()
  for (let i = 0; i < calls; i++) {
    const done = body()
    if (done !== undefined) await done
  }
  const after = process.memoryUsage()
  return after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers
}
