import type { BenchBroker } from './bench-broker.js'
import type { Job, Outcome } from './clients/job.js'
import type { ClientProcess, ProfileOptions } from './measured/client-process.js'
import type { Clients } from './measured/clients.js'
import { type Pace, paced } from './pace.js'
import { type Failure, FIGURES, type Run, shortReason } from './results.js'
import { Topics } from './topics.js'
import {
  CLIENT_TITLES,
  type ClientName,
  MIDDLE_SIZE,
  RATE,
  REVISION,
  WARM_UP_RATE,
  WORKLOADS,
  type Workload,
} from './workloads.js'

/** For starting, connecting and ending, beyond the warm-up and the window, in milliseconds. Java's consumers may look for their queues after 20 seconds only. */
const EXTRA_TIME = 40_000
/** What has done fewer messages before its window is told of as cold. */
const LEAST_WARM_UP = 10_000
/** What the broker does first. */
const BROKER_WARM_UP = 'send-64-1024'

export interface RoundsOptions {
  readonly pace: Pace
  readonly profile: Omit<ProfileOptions, 'name'>
  /** Nothing is started after this time, by `Date.now()`. */
  readonly end: number
  /** The entry file of the older build, where there is one. */
  readonly revisionFile?: string
}

/** What a single run is told beside its workload. */
export interface RunExtras {
  /** See {@link Job.burn}. */
  readonly burn: number
}

/** Runs clients against the one broker and keeps what they measured. */
export class Rounds {
  readonly runs: Run[] = []
  readonly failures: Failure[] = []
  readonly #broker: BenchBroker
  readonly #clients: Clients
  readonly #options: RoundsOptions
  readonly #topics: Topics
  readonly #startedAt = Date.now()
  #groups = 0

  constructor(broker: BenchBroker, clients: Clients, options: RoundsOptions) {
    this.#broker = broker
    this.#clients = clients
    this.#options = options
    this.#topics = new Topics(broker)
  }

  /** The first minute of a broker's JVM is slow: the first client must not pay for it. */
  async warmUpBroker(): Promise<void> {
    const { pace } = this.#options
    const workload = WORKLOADS.find(({ name }) => name === BROKER_WARM_UP)
    if (workload === undefined) throw new Error(`there is no workload ${BROKER_WARM_UP}`)
    const raw = await this.#clients.open('raw-enc')
    for (const end = Date.now() + pace.brokerWarmUp; Date.now() < end; )
      await this.#runOne(raw, paced(workload, pace), 'raw-enc', 'warm-up')
  }

  /**
   * Measures the workloads of one family: A B C A B C, so that clients that are compared run one behind the other.
   *
   * A client that can't be started or fails is noted, and the others go on.
   */
  async measureFamily(workloads: readonly Workload[], rounds: number): Promise<void> {
    const scaled = workloads.map((workload) => paced(workload, this.#options.pace))
    const processes = await this.#open(scaled)
    try {
      for (let round = 1; round <= rounds; round++) {
        for (const workload of scaled) await this.measureRound(workload, round, processes)
      }
    } finally {
      await Promise.all([...processes.values()].map((process) => process.close()))
    }
  }

  /** Runs the clients of one workload once, in its order. */
  async measureRound(
    workload: Workload,
    round: number,
    processes: ReadonlyMap<ClientName, ClientProcess>,
    extrasOf: (client: ClientName) => RunExtras = () => ({ burn: 0 }),
  ): Promise<void> {
    for (const client of workload.clients) {
      const process = processes.get(client)
      if (process === undefined) continue
      if (Date.now() > this.#options.end) {
        this.#fail(workload, client, round, 'the time was over')
        continue
      }
      try {
        const extras = extrasOf(client)
        const run = await this.#runOne(process, workload, client, `${workload.name}.${client}.${round}`, extras)
        this.runs.push({ ...run, round })
        this.#say(`${workload.name}, round ${round}, ${CLIENT_TITLES[client]}: ${told({ ...run, round })}`)
      } catch (error) {
        this.#fail(workload, client, round, error instanceof Error ? error.message : String(error))
      }
    }
  }

  /** Starts the clients of a family, and lets the Java client become warm. */
  async #open(workloads: readonly Workload[]): Promise<Map<ClientName, ClientProcess>> {
    const processes = new Map<ClientName, ClientProcess>()
    const first = workloads.find(({ bodySize }) => bodySize === MIDDLE_SIZE) ?? workloads[0]
    if (first === undefined) return processes
    for (const client of first.clients) {
      try {
        const process = await this.#clients.open(client)
        processes.set(client, process)
        if (client === 'java') await this.#warmUpJava(process, first)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        for (const workload of workloads) this.#fail(workload, client, 0, reason)
        await processes.get(client)?.close()
        processes.delete(client)
      }
    }
    return processes
  }

  /** The same work as is measured, again and again. */
  async #warmUpJava(process: ClientProcess, workload: Workload): Promise<void> {
    const { javaWarmUp } = this.#options.pace
    this.#say(`${workload.family}: the Java client warms up for ${javaWarmUp / 1000} s`)
    const end = Date.now() + javaWarmUp
    while (Date.now() < end) await this.#runOne(process, workload, 'java', 'warm-up')
  }

  async #runOne(
    process: ClientProcess,
    workload: Workload,
    client: ClientName,
    name: string,
    { burn }: RunExtras = { burn: 0 },
  ): Promise<Omit<Run, 'round'>> {
    const { pace, profile } = this.#options
    const topic = await this.#topics.for(workload)
    const job: Job = {
      kind: workload.kind,
      namesrvAddr: this.#broker.cluster.namesrvAddr,
      brokerAddress: this.#broker.address,
      topic: topic.name,
      queues: workload.queues,
      group: `bench-${client}-${Date.now()}-${this.#groups++}`,
      bodySize: workload.bodySize,
      inFlight: workload.inFlight,
      batch: workload.batch,
      rate: RATE,
      warmUpRate: WARM_UP_RATE,
      warmUp: workload.warmUp,
      messages: workload.messages,
      maxWarmUp: pace.maxWarmUp,
      maxWindow: workload.maxWindow,
      deadline: pace.maxWarmUp + workload.maxWindow + EXTRA_TIME,
      backlog: topic.backlog,
      packageFile: client === REVISION ? (this.#options.revisionFile ?? '') : '',
      burn,
    }
    const isReader = workload.backlog > 0
    const before = isReader ? 0 : await this.#broker.messagesIn(topic.name, workload.queues)
    const outcome = await process.run(job, { ...profile, name })
    if (outcome.fault !== undefined) throw new Error(outcome.fault)
    if (outcome.messages === 0) throw new Error('nothing was done in the measured window')
    const arrived = isReader ? 1 : await this.#arrived(workload, topic.name, before, outcome)
    const isWarm = outcome.total - outcome.messages >= Math.min(workload.warmUp, LEAST_WARM_UP)
    return { workload: workload.name, client, isWarm, arrived, outcome }
  }

  /** Compares what was acknowledged with what the broker has. */
  async #arrived({ kind, queues }: Workload, topic: string, before: number, outcome: Outcome): Promise<number> {
    const expected = before + outcome.total
    if (kind !== 'oneway') {
      await this.#broker.expectMessages(topic, queues, expected)
      return 1
    }
    const stored = await this.#broker.settledMessagesIn(topic, queues, expected)
    if (stored === before) throw new Error('no message arrived')
    return (stored - before) / outcome.total
  }

  #fail(workload: Workload, client: ClientName, round: number, reason: string): void {
    this.failures.push({ workload: workload.name, client, round, reason: shortReason(reason) })
    this.#say(`${workload.name}, round ${round}, ${CLIENT_TITLES[client]} failed: ${reason}`)
  }

  #say(text: string): void {
    const seconds = Math.round((Date.now() - this.#startedAt) / 1000)
    console.error(`bench: ${String(seconds).padStart(4)} s  ${text}`)
  }
}

function told(run: Run): string {
  const rate = Math.round(FIGURES.rate(run) ?? 0).toLocaleString('en')
  const p50 = FIGURES.p50(run)
  const latency = p50 === undefined ? '' : `, p50 ${Math.round(p50)} µs`
  return `${rate} messages/s, ${FIGURES.cpu(run)?.toFixed(1)} µs CPU each${latency}, ${Math.round(FIGURES.memory(run) ?? 0)} MiB`
}
