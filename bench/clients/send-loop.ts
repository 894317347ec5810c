import { burn } from './burn.js'
import { bodyOf, type Job } from './job.js'
import { Latencies } from './latencies.js'
import { MeasuredWindow } from './measured-window.js'
import type { Measured } from './receiver.js'

/** One connected sender. */
export interface Sender {
  /** One request: a message, or a batch of `job.batch` messages with that body. */
  send(body: Buffer): Promise<unknown>
  /** Waits until everything has been handed to the operating system. */
  flush?(): Promise<unknown>
}

/** Messages of one call of {@link Sender.send}. */
function messagesEach(job: Job): number {
  return job.kind === 'batch' ? job.batch : 1
}

/** Sends the warm-up and then the window, by `job.inFlight` loops that each await their send. */
export async function measureSends(sender: Sender, job: Job): Promise<Measured> {
  const each = messagesEach(job)
  const warmUp = await sendMany(sender, job, Math.ceil(job.warmUp / each), job.maxWarmUp, new Latencies(0))
  const requests = Math.ceil(job.messages / each)
  const latencies = new Latencies(job.kind === 'oneway' ? 0 : requests)
  const window = new MeasuredWindow()
  window.start()
  const sent = await sendMany(sender, job, requests, job.maxWindow, latencies)
  await sender.flush?.()
  window.stop()
  const latency = latencies.summary()
  return {
    messages: sent * each,
    seconds: window.seconds,
    cpu: window.cpu,
    total: (warmUp + sent) * each,
    ...(latency === undefined ? undefined : { latency }),
  }
}

/** @returns how many sends there were, all of them acknowledged. */
async function sendMany(
  sender: Sender,
  job: Job,
  requests: number,
  maxMilliseconds: number,
  latencies: Latencies,
): Promise<number> {
  const body = bodyOf(job.bodySize)
  const wasted = job.burn * messagesEach(job)
  const end = performance.now() + maxMilliseconds
  let started = 0
  let isOver = false
  const loop = async (): Promise<void> => {
    while (started < requests && !isOver) {
      started++
      const from = performance.now()
      await sender.send(body)
      const now = performance.now()
      latencies.record(now - from)
      burn(wasted)
      if (now > end) isOver = true
    }
  }
  await Promise.all(Array.from({ length: Math.min(job.inFlight, requests) }, loop))
  return started
}
