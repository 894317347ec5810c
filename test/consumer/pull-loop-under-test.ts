import { onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import type { ConnectionOptions } from '../../src/client/client-options.js'
import { buildSubscriptionData, type FilterExpression } from '../../src/client/subscription-data.js'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { TopicStatistics } from '../../src/consumer/consume-statistics.js'
import { PullLoop } from '../../src/consumer/pull-loop.js'
import type { OffsetCorrection, PullLoopHost, PullLoopOptions } from '../../src/consumer/pull-loop-host.js'
import { QueueRequests } from '../../src/consumer/queue-requests.js'
import type { ReadAhead } from '../../src/consumer/read-ahead.js'
import type { ScriptedCluster } from '../support/scripted-cluster.js'

export const QUEUE = { topic: 'T', brokerName: 'broker-a', queueId: 0 }

const OPTIONS: PullLoopOptions = {
  pullBatchSize: 32,
  pullThresholdForQueue: 1000,
  pullThresholdSizeForQueue: 100 * 1024 * 1024,
  pullThresholdForTopic: -1,
  pullThresholdSizeForTopic: -1,
  consumeConcurrentlyMaxSpan: 2000,
  readAhead: undefined,
  pullInterval: 0,
  brokerSuspendMaxTimeMillis: 15_000,
  consumerTimeoutMillisWhenSuspend: 30_000,
  pullTimeDelayMillsWhenException: 10,
  postSubscriptionWhenPull: false,
  maxMessageSize: 4 * 1024 * 1024,
  undecodableMessagePolicy: 'stop',
  isLite: false,
}

export interface LoopParts {
  readonly offset?: number
  readonly expression?: FilterExpression
  readonly options?: Partial<PullLoopOptions>
  readonly client?: Omit<ConnectionOptions, 'namesrvAddr'>
  readonly readAhead?: ReadAhead
  readonly transform?: (messages: StoredMessage[]) => StoredMessage[]
}

/** A pull loop, and a host that takes down what it is told. */
export class LoopUnderTest implements PullLoopHost {
  readonly client: Client
  readonly loop: PullLoop
  readonly reports: { error: unknown; what: string }[] = []
  readonly corrections: OffsetCorrection[] = []
  readonly registered: string[] = []
  readonly statistics = new TopicStatistics()
  readonly readAhead: ReadAhead | undefined
  readonly transform?: (messages: StoredMessage[]) => StoredMessage[]
  isPaused = false
  queues = 1
  isSubscribed = true
  answers = 0
  readonly #expression: FilterExpression | undefined

  constructor(cluster: ScriptedCluster, parts: LoopParts) {
    this.client = new Client({ namesrvAddr: cluster.namesrvAddr, ...parts.client })
    const report = (error: unknown, what: string) => this.report(error, what)
    const requests = new QueueRequests(this.client, 'c', report)
    this.readAhead = parts.readAhead
    if (parts.transform !== undefined) this.transform = parts.transform
    this.#expression = parts.expression
    this.loop = new PullLoop(QUEUE, parts.offset ?? 0, requests, this, { ...OPTIONS, ...parts.options })
  }

  subscription() {
    return this.isSubscribed ? buildSubscriptionData('T', this.#expression, 77) : undefined
  }

  ownQueues(): number {
    return this.queues
  }

  mayPull(): boolean {
    return !this.isPaused
  }

  onAnswer(): void {
    this.answers++
  }

  async onOffsetCorrected(correction: OffsetCorrection): Promise<void> {
    this.corrections.push(correction)
  }

  async register(address: string): Promise<void> {
    this.registered.push(address)
  }

  report(error: unknown, what: string): void {
    this.reports.push({ error, what })
  }
}

/** A pull loop that is started, and closed when the running test ends. */
export async function startedLoop(cluster: ScriptedCluster, parts: LoopParts = {}): Promise<LoopUnderTest> {
  const host = new LoopUnderTest(cluster, parts)
  onTestFinished(async () => {
    await host.loop.close()
    await host.client.shutdown()
  })
  await host.client.start()
  host.loop.start()
  return host
}
