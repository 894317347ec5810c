import { readFileSync } from 'node:fs'
import { BacklogReceiver, type Receiver } from './backlog-receiver.js'
import { type Job, OUTCOME_MARK, type Outcome } from './job.js'
import { MeasuredWindow } from './measured-window.js'

/** Sends that many messages, with `job.inFlight` of them under way, or fewer when the time is over; resolves with how many were acknowledged. */
export type Pump = (messages: number, maxMilliseconds: number) => Promise<number>

export interface MeasuredClient {
  /** Connects the client and makes its pump. */
  send?(job: Job): Promise<Pump>
  /** Starts reading all queues from offset 0 on and hands every message to the receiver. */
  consume?(job: Job, receiver: Receiver): Promise<void>
}

/**
 * The whole life of a measured process: reads its job from the command line, does it, prints the outcome and exits.
 */
export function runClient(client: MeasuredClient): void {
  const job = JSON.parse(process.argv[2] ?? '{}') as Job
  // The one who started this process kills it in time, unless it was killed itself.
  setTimeout(() => fail(new Error(`not done after ${job.deadline} ms`)), job.deadline).unref()
  measure(client, job).then((measured) => {
    const outcome: Outcome = { ...measured, peakRss: peakRss() }
    process.stdout.write(`${OUTCOME_MARK}${JSON.stringify(outcome)}\n`, () => process.exit(0))
  }, fail)
}

type Measured = Omit<Outcome, 'peakRss'>

async function measure(client: MeasuredClient, job: Job): Promise<Measured> {
  if (job.kind === 'send' && client.send !== undefined) return measureSends(await client.send(job), job)
  const { consume } = client
  if (job.kind === 'send' || consume === undefined) throw new Error(`this client can not ${job.kind}`)
  return new Promise((resolve, reject) => {
    const receiver = new BacklogReceiver(job, resolve)
    consume(job, receiver).catch(reject)
  })
}

async function measureSends(pump: Pump, job: Job): Promise<Measured> {
  const warmUp = await pump(job.warmUp, job.maxWarmUp)
  const window = new MeasuredWindow()
  window.start()
  const messages = await pump(job.messages, job.maxWindow)
  window.stop()
  return { messages, seconds: window.seconds, cpu: window.cpu, total: warmUp + messages }
}

function fail(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`${text}\n`, () => process.exit(1))
}

/** As a pump for clients that have a promise for each send. */
export function pumpOf(job: Job, send: () => Promise<unknown>): Pump {
  return async (messages, maxMilliseconds) => {
    const end = performance.now() + maxMilliseconds
    let started = 0
    let isOver = false
    const worker = async (): Promise<void> => {
      while (started < messages && !isOver) {
        started++
        if ((started & 127) === 0 && performance.now() > end) isOver = true
        await send()
      }
    }
    await Promise.all(Array.from({ length: job.inFlight }, worker))
    return started
  }
}

/** In bytes. What the operating system counts for a process includes its parent's memory at the fork; Linux also tells its own peak. */
function peakRss(): number {
  const { maxRSS } = process.resourceUsage()
  if (process.platform !== 'linux') return maxRSS * 1024
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return (peak === undefined ? maxRSS : Number(peak)) * 1024
}
