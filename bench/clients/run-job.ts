import { readFileSync } from 'node:fs'
import { EndToEnd } from './end-to-end.js'
import { type Job, OUTCOME_MARK, type Outcome } from './job.js'
import { BacklogReceiver, type Measured, type Receiver } from './receiver.js'
import { measureSends, type Sender } from './send-loop.js'

export interface MeasuredClient {
  /** Connects a sender of `job.kind`; end to end sends single messages. */
  sender?(job: Job): Promise<Sender>
  /** Starts reading the whole topic and hands every message to the receiver. */
  consume?(job: Job, receiver: Receiver): Promise<void>
}

/**
 * The whole life of a measured process: does the job, prints the outcome and exits.
 */
export function runClient(client: MeasuredClient, job: Job = jobOfThisProcess()): void {
  // The one who started this process kills it in time, unless it was killed itself.
  setTimeout(() => fail(new Error(`not done after ${job.deadline} ms`)), job.deadline).unref()
  measure(client, job).then((measured) => {
    const outcome: Outcome = { ...measured, peakRss: peakRss() }
    process.stdout.write(`${OUTCOME_MARK}${JSON.stringify(outcome)}\n`, () => process.exit(0))
  }, fail)
}

/** From the command line. */
export function jobOfThisProcess(): Job {
  return JSON.parse(process.argv[2] ?? '{}') as Job
}

async function measure(client: MeasuredClient, job: Job): Promise<Measured> {
  const { sender, consume } = client
  const isConsumer = job.kind === 'pull' || job.kind === 'push' || job.kind === 'ordered'
  if (isConsumer && consume !== undefined) {
    return new Promise((resolve, reject) => {
      consume(job, new BacklogReceiver(job, resolve)).catch(reject)
    })
  }
  if (job.kind === 'end-to-end' && consume !== undefined && sender !== undefined) {
    const both = new EndToEnd(job)
    await consume(job, both)
    const { send } = await sender(job)
    return both.run(send)
  }
  if (!isConsumer && sender !== undefined) return measureSends(await sender(job), job)
  throw new Error(`this client has no ${job.kind}`)
}

function fail(error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`${text}\n`, () => process.exit(1))
}

/** In bytes. What the operating system counts for a process includes its parent's memory at the fork; Linux also tells its own peak. */
function peakRss(): number {
  const { maxRSS } = process.resourceUsage()
  if (process.platform !== 'linux') return maxRSS * 1024
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return (peak === undefined ? maxRSS : Number(peak)) * 1024
}
