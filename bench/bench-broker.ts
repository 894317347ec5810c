import { setTimeout as delay } from 'node:timers/promises'
import { startCluster } from '../test/support/cluster.js'
import type { Cluster } from '../test/support/cluster-types.js'
import { RawConnection } from './raw/raw-connection.js'

const UPDATE_AND_CREATE_TOPIC = 17
const GET_MAX_OFFSET = 30
const GET_ROUTEINFO_BY_TOPIC = 105
const ROUTE_TIMEOUT = 30_000
const COUNT_TIMEOUT = 10_000
/** A topic that has taken nothing for so long takes nothing more, in milliseconds. */
const QUIET_TIME = 1_000

/** A broker that takes every message as fast as it can and refuses none: what is measured is the client. */
const CONFIG: Readonly<Record<string, string>> = {
  sendThreadPoolQueueCapacity: '100000',
  pullThreadPoolQueueCapacity: '100000',
  waitTimeMillsInSendQueue: '30000',
  waitTimeMillsInPullQueue: '30000',
  osPageCacheBusyTimeOutMills: '60000',
  mappedFileSizeCommitLog: '268435456',
  mappedFileSizeConsumeQueue: '1200000',
  // Pulls of 256 messages; by default brokers give 32 of them, and 8 of what they take to be on disk.
  maxTransferCountOnMessageInMemory: '256',
  maxTransferBytesOnMessageInMemory: '4194304',
  maxTransferCountOnMessageInDisk: '256',
  maxTransferBytesOnMessageInDisk: '4194304',
  // Only messages of clients that give unique ids would be indexed, which would cost just those clients' share of the machine.
  messageIndexEnable: 'false',
}

/** More heap than the test servers have, and the optimising compiler: broker and client share the machine. */
const JVM_OPTIONS: readonly string[] = ['-Xmx1g', '-XX:MaxDirectMemorySize=512m', '-XX:TieredStopAtLevel=4']

/** The one broker that all clients are measured with, and a connection of our own to ask it what has arrived. */
export class BenchBroker {
  readonly cluster: Cluster
  readonly #broker: RawConnection
  readonly #nameServer: RawConnection

  private constructor(cluster: Cluster, broker: RawConnection, nameServer: RawConnection) {
    this.cluster = cluster
    this.#broker = broker
    this.#nameServer = nameServer
  }

  /** Java gets the larger heap. Where a container or a running cluster is asked for by `ROCKETMQ_CLUSTER` or `ROCKETMQ_NAMESRV`, that is taken. */
  static async start(): Promise<BenchBroker> {
    const isForced = Boolean(process.env.ROCKETMQ_CLUSTER || process.env.ROCKETMQ_NAMESRV)
    const cluster = isForced ? await startCluster({ config: CONFIG }) : await startByJava()
    try {
      const address = cluster.brokers[0]?.address ?? ''
      const nameServer = await RawConnection.open(cluster.namesrvAddr.split(';')[0] ?? '')
      return new BenchBroker(cluster, await RawConnection.open(address), nameServer)
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  get address(): string {
    return this.#broker.address
  }

  get connection(): RawConnection {
    return this.#broker
  }

  /** Makes a topic and waits until the NameServer knows it. */
  async createTopic(topic: string, queues: number): Promise<void> {
    await this.#broker.expect(UPDATE_AND_CREATE_TOPIC, {
      topic,
      defaultTopic: 'TBW102',
      readQueueNums: queues,
      writeQueueNums: queues,
      perm: 6,
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: 0,
      order: false,
    })
    const deadline = Date.now() + ROUTE_TIMEOUT
    while ((await this.#nameServer.request(GET_ROUTEINFO_BY_TOPIC, { topic })).code !== 0) {
      if (Date.now() > deadline)
        throw new Error(`the NameServer has no route of topic ${topic} after ${ROUTE_TIMEOUT} ms`)
      await delay(50)
    }
  }

  /** How many messages the queues of a topic have taken since it was made. */
  async messagesIn(topic: string, queues: number): Promise<number> {
    const queueIds = Array.from({ length: queues }, (_, queueId) => queueId)
    const answers = await Promise.all(
      queueIds.map((queueId) => this.#broker.expect(GET_MAX_OFFSET, { topic, queueId })),
    )
    return answers.reduce((sum, answer) => sum + Number(answer.fields.offset), 0)
  }

  /**
   * Waits until a topic has taken so many messages: a broker counts them a moment after it has acknowledged them.
   *
   * @throws Error when it has fewer after 10 seconds, or more.
   */
  async expectMessages(topic: string, queues: number, expected: number): Promise<void> {
    const deadline = Date.now() + COUNT_TIMEOUT
    for (;;) {
      const stored = await this.messagesIn(topic, queues)
      if (stored === expected) return
      if (stored > expected || Date.now() > deadline) {
        throw new Error(`topic ${topic} has ${stored} messages where ${expected} were acknowledged`)
      }
      await delay(20)
    }
  }

  /** Waits until a topic takes no more messages, and tells how many it has. */
  async settledMessagesIn(topic: string, queues: number, expected: number): Promise<number> {
    const deadline = Date.now() + COUNT_TIMEOUT
    let stored = -1
    let since = Date.now()
    for (;;) {
      const now = await this.messagesIn(topic, queues)
      if (now !== stored) since = Date.now()
      stored = now
      if (stored >= expected || Date.now() - since > QUIET_TIME || Date.now() > deadline) return stored
      await delay(20)
    }
  }

  async stop(): Promise<void> {
    this.#broker.close()
    this.#nameServer.close()
    await this.cluster.stop()
  }
}

async function startByJava(): Promise<Cluster> {
  try {
    return await startCluster({ route: 'java', config: CONFIG, jvmOptions: JVM_OPTIONS })
  } catch (error) {
    console.error(`bench: no broker by Java (${error instanceof Error ? error.message : String(error)}); trying Docker`)
    return startCluster({ route: 'docker', config: CONFIG })
  }
}
