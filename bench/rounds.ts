import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { fillTopic } from './backlog.js'
import { type BenchBroker, QUEUES } from './bench-broker.js'
import type { Job, Outcome } from './clients/job.js'
import type { BenchOptions } from './options.js'
import { FIGURES, type Run } from './results.js'
import { runProcess } from './run-process.js'
import { CLIENT_TITLES, type ClientName, type Workload } from './workloads.js'

/** Longest warm-up and longest measured window, in milliseconds: a slow machine measures fewer messages. */
const MAX_WARM_UP = 2_500
const MAX_WINDOW = 2_500
/** For a whole process, in milliseconds. */
const DEADLINE = 15_000
/** For everything, in milliseconds: what is left to be measured then is left out. */
const START_BUDGET = 20_000
const ROUND_BUDGET = 105_000

export interface Rounds {
  readonly runs: readonly Run[]
  /** One sentence for each process that failed, and one when the time was too short. */
  readonly failures: readonly string[]
}

/** A workload with the topic that it uses. */
interface Prepared {
  readonly workload: Workload
  readonly topic: string
}

/** Runs every client of every workload, one behind the other, round by round. */
export async function runRounds(broker: BenchBroker, options: BenchOptions, startedAt: number): Promise<Rounds> {
  if (options.profileFolder !== undefined) await mkdir(options.profileFolder, { recursive: true })
  const prepared: Prepared[] = []
  for (const workload of options.workloads) prepared.push(await prepare(broker, scaled(workload, options.messages)))
  await warmUpBroker(broker, prepared)
  const end = startedAt + START_BUDGET + options.rounds * ROUND_BUDGET
  const runs: Run[] = []
  const failures: string[] = []
  for (const { round, workload, topic, client } of schedule(prepared, options.rounds)) {
    const what = `round ${round} of ${options.rounds}, ${workload.name}, ${CLIENT_TITLES[client]}`
    if (Date.now() > end) {
      failures.push(`the time was over before ${what}: what would have followed is missing`)
      break
    }
    try {
      const profile = profileOptions(options.profileFolder, `${workload.name}.${client}.${round}`)
      const outcome = await runOne(broker, workload, topic, client, profile)
      const isWarm = outcome.total - outcome.messages >= workload.warmUp
      runs.push({ workload: workload.name, client, round, isWarm, outcome })
      console.error(`bench: ${what}: ${told(outcome)}`)
    } catch (error) {
      const failure = `${what}: ${error instanceof Error ? error.message : String(error)}`
      failures.push(failure)
      console.error(`bench: ${failure}`)
    }
  }
  return { runs, failures }
}

/** A B C A B C: clients that are compared run one behind the other, and every round sees every workload. */
function* schedule(prepared: readonly Prepared[], rounds: number) {
  for (let round = 1; round <= rounds; round++) {
    for (const { workload, topic } of prepared) {
      for (const client of workload.clients) yield { round, workload, topic, client }
    }
  }
}

function scaled(workload: Workload, messages: number | undefined): Workload {
  if (messages === undefined) return workload
  const warmUp = Math.max(1, Math.round((workload.warmUp * messages) / workload.messages))
  return { ...workload, messages, warmUp }
}

async function prepare(broker: BenchBroker, workload: Workload): Promise<Prepared> {
  // Several runs may share one cluster, which ROCKETMQ_NAMESRV names.
  const topic = `bench-${workload.name}-${Date.now()}`
  await broker.createTopic(topic)
  if (workload.kind === 'consume') {
    const messages = await fillTopic(broker, topic, workload.warmUp + workload.messages, workload.bodySize)
    console.error(`bench: ${messages} messages of ${workload.bodySize} B lie in ${topic}`)
  }
  return { workload, topic }
}

/** The first minute of a JVM is slow: the first client must not pay for it. */
async function warmUpBroker(broker: BenchBroker, prepared: readonly Prepared[]): Promise<void> {
  for (const { workload, topic } of prepared) {
    const client: ClientName = workload.kind === 'send' ? 'raw' : 'raw-dec'
    await runOne(broker, workload, topic, client, [])
  }
}

async function runOne(
  broker: BenchBroker,
  workload: Workload,
  topic: string,
  client: ClientName,
  nodeOptions: readonly string[],
): Promise<Outcome> {
  const job: Job = {
    kind: workload.kind,
    namesrvAddr: broker.cluster.namesrvAddr,
    brokerAddress: broker.address,
    topic,
    queues: QUEUES,
    group: `bench-${client}-${Date.now()}`,
    bodySize: workload.bodySize,
    inFlight: workload.inFlight,
    warmUp: workload.warmUp,
    messages: workload.messages,
    maxWarmUp: MAX_WARM_UP,
    maxWindow: MAX_WINDOW,
    deadline: DEADLINE,
  }
  const before = await broker.messagesIn(topic)
  const outcome = await runProcess(client, job, nodeOptions)
  if (outcome.fault !== undefined) throw new Error(outcome.fault)
  await broker.expectMessages(topic, before + (workload.kind === 'send' ? outcome.total : 0))
  return outcome
}

function profileOptions(folder: string | undefined, name: string): string[] {
  if (folder === undefined) return []
  return ['--cpu-prof', `--cpu-prof-dir=${path.resolve(folder)}`, `--cpu-prof-name=${name}.cpuprofile`]
}

function told(outcome: Outcome): string {
  const rate = Math.round(FIGURES.rate(outcome)).toLocaleString('en')
  return `${rate} messages/s, ${FIGURES.cpu(outcome).toFixed(1)} µs CPU each, ${Math.round(FIGURES.memory(outcome))} MiB`
}
