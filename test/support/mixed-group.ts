import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { DefaultProducer, PushConsumer } from '../../src/index.js'
import type { Cluster } from './cluster.js'
import {
  type Delivery,
  type MessagePlace,
  type Owners,
  type QueuePlace,
  queueName,
  unionOfOwned,
} from './delivery-history.js'
import { uniqueName } from './names.js'
import type { Oracle } from './oracle.js'
import type { JavaDelivery, JavaStrategy } from './oracle-consumer-verbs.js'
import type { QueueName } from './oracle-verbs.js'
import { PATIENCE } from './patience.js'
import { strategyOf } from './strategy-of.js'
import { until } from './until.js'

/** The period of both clients, twice, for what a member missed. */
const SETTLE_DEADLINE = 60_000
const SENDERS = 8
const COMMITTED_DEADLINE = 120_000

/** A group that members of both kinds join and leave. */
export interface MixedGroup {
  readonly namesrvAddr: string
  readonly oracle: Oracle
  readonly group: string
  readonly topic: string
  /** All queues of the topic. */
  readonly queues: readonly QueueName[]
  /** For files of what Java members got. */
  readonly folder: string
  /** What a handler takes, so that some messages are under way when queues move, in milliseconds. */
  readonly handlerTime: number
}

export interface GroupMember {
  readonly kind: 'Node' | 'Java'
  readonly clientId: string
  readonly strategy: JavaStrategy
  owned(): Promise<readonly QueuePlace[]>
  /** What its handler got. */
  deliveries(): Promise<readonly Delivery[]>
  /** Ends it as a program should that does not want messages to be repeated. */
  leave(): Promise<void>
}

/** A group without members, of a topic with so many queues on each of these brokers, until the running test ends. */
export async function newMixedGroup(
  oracle: Oracle,
  { namesrvAddr, brokers }: Cluster,
  queueCount: number,
  handlerTime: number,
): Promise<MixedGroup> {
  const topic = uniqueName('mixed')
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-mixed-group-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await oracle.call('createTopic', { namesrvAddr, topic, queues: queueCount })
  const queues = brokers.flatMap(({ name: brokerName }) =>
    Array.from({ length: queueCount }, (_, queueId) => ({ topic, brokerName, queueId })),
  )
  return { namesrvAddr, oracle, group: uniqueName('cg'), topic, queues, folder, handlerTime }
}

/** Some senders, each with a short pause after every message, so that queues are never empty for long while they move. */
export async function keepSendingTo({
  namesrvAddr,
  topic,
}: MixedGroup): Promise<{ sent: readonly MessagePlace[]; end: () => Promise<void> }> {
  const producer = new DefaultProducer({ namesrvAddr, producerGroup: uniqueName('pg'), ...PATIENCE })
  await producer.start()
  const sent: MessagePlace[] = []
  let isEnded = false
  const sender = async () => {
    while (!isEnded) {
      const { messageQueue, queueOffset } = await producer.send({ topic, body: 'x' })
      sent.push({ ...messageQueue, queueOffset })
      await delay(2)
    }
  }
  const senders = Promise.all(Array.from({ length: SENDERS }, sender))
  senders.catch(() => {})
  const end = async () => {
    isEnded = true
    await senders.finally(() => producer.shutdown())
  }
  onTestFinished(end)
  return { sent, end }
}

/** Waits until the group has committed all there is. */
export async function untilCommitted({ oracle, namesrvAddr, group, topic }: MixedGroup): Promise<void> {
  await until(async () => {
    const { totalDiff } = await oracle.call('consumeOffset', { namesrvAddr, group, topic })
    return totalDiff === 0
  }, COMMITTED_DEADLINE)
}

export interface JoinOptions {
  /** Default AVG. */
  readonly strategy?: JavaStrategy
  /** What the client id ends with. Default: a unique one. */
  readonly instanceName?: string
}

export async function joinNode(mixed: MixedGroup, options: JoinOptions = {}): Promise<GroupMember> {
  const { strategy = { name: 'AVG' }, instanceName = uniqueName('node') } = options
  const { handlerTime } = mixed
  const got: Delivery[] = []
  const consumer = new PushConsumer({
    namesrvAddr: mixed.namesrvAddr,
    consumerGroup: mixed.group,
    consumeFromWhere: 'FIRST',
    allocateMessageQueueStrategy: strategyOf(strategy),
    instanceName,
  })
  const { clientId } = consumer
  await consumer.subscribe(mixed.topic)
  consumer.onMessage(async (messages) => {
    const at = Date.now()
    const handed = messages.map(({ brokerName, queueId, queueOffset, reconsumeTimes }) => ({
      ...{ member: clientId, brokerName, queueId, queueOffset, reconsumeTimes, at },
      endedAt: Number.POSITIVE_INFINITY,
    }))
    got.push(...handed)
    await delay(handlerTime)
    for (const delivery of handed) delivery.endedAt = Date.now()
  })
  await consumer.start()
  return {
    kind: 'Node',
    clientId,
    strategy,
    owned: async () => consumer.assignment().filter(({ topic }) => topic === mixed.topic),
    deliveries: async () => got,
    leave: () => consumer.shutdown(),
  }
}

export async function joinJava(mixed: MixedGroup, options: JoinOptions = {}): Promise<GroupMember> {
  const { strategy = { name: 'AVG' }, instanceName = uniqueName('java') } = options
  const { oracle, namesrvAddr, group, topic, handlerTime } = mixed
  const file = path.join(mixed.folder, `${instanceName}.jsonl`)
  const { clientId } = await oracle.call('startPushConsumer', {
    namesrvAddr,
    group,
    topics: [{ topic }],
    strategy,
    file,
    handler: { sleep: handlerTime },
    // Java now and then loses the heartbeat behind its first rebalance, and pulls nothing until the next one.
    options: { instanceName, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET', heartbeatBrokerInterval: 1_000 },
  })
  return {
    kind: 'Java',
    clientId,
    strategy,
    owned: async () => {
      const { queues } = await oracle.call('ownedQueues', { clientId })
      return queues.filter((queue) => queue.topic === topic)
    },
    deliveries: async () => {
      const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
      return lines.map((line) => {
        const { brokerName, queueId, queueOffset, reconsumeTimes, t } = JSON.parse(line) as JavaDelivery
        return { member: clientId, brokerName, queueId, queueOffset, reconsumeTimes, at: t, endedAt: t + handlerTime }
      })
    },
    leave: async () => {
      await oracle.call('stopConsumer', { clientId })
    },
  }
}

/**
 * Waits until each queue has exactly one owner, and that is the one which Java's strategy gives it for the members there are.
 *
 * @throws Error that says what each member owns and should own.
 */
export async function settle(mixed: MixedGroup, members: readonly GroupMember[]): Promise<Owners> {
  const due = await Promise.all(members.map((member) => allocated(mixed, member, members)))
  let seen: string[] = []
  const look = async (): Promise<Owners | undefined> => {
    const owned = new Map<string, readonly QueuePlace[]>()
    for (const member of members) owned.set(member.clientId, await member.owned())
    seen = members.map(({ clientId }) => names(owned.get(clientId) ?? []))
    const { owners, faults } = unionOfOwned(owned, mixed.queues)
    return faults.length === 0 && seen.every((own, i) => own === due[i]) ? owners : undefined
  }
  try {
    return await until(look, SETTLE_DEADLINE)
  } catch (error) {
    const lines = members.map(({ clientId }, i) => `${clientId} owns ${seen[i]}\n  and should own ${due[i]}`)
    throw new Error(`the group has not settled after ${SETTLE_DEADLINE} ms:\n${lines.join('\n')}`, { cause: error })
  }
}

async function allocated(mixed: MixedGroup, member: GroupMember, members: readonly GroupMember[]): Promise<string> {
  const { oracle, group, queues } = mixed
  const clientIds = members.map(({ clientId }) => clientId).sort()
  const { strategy, clientId } = member
  return names((await oracle.call('allocate', { strategy, group, clientId, queues, clientIds })).queues)
}

function names(queues: readonly QueuePlace[]): string {
  return queues.map(queueName).sort().join(', ')
}
