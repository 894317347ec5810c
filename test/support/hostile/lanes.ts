import { onTestFinished } from 'vitest'
import {
  DefaultProducer,
  LitePullConsumer,
  type Logger,
  type MessageExt,
  PullConsumer,
  PushConsumer,
  type PushConsumerOptions,
  SimpleConsumer,
  TransactionProducer,
} from '../../../src/index.js'
import { recallHandleOf } from '../recall-handle-of.js'
import { Code } from '../scripted-cluster.js'
import { PopCode } from '../scripted-pop.js'
import type { HostileCluster } from './hostile-cluster.js'

/** For every call, in milliseconds. */
export const TIMEOUT = 400

/** One call of a public client, and the requests that its result comes from. */
export interface LaneCall {
  readonly name: string
  readonly codes: readonly number[]
  run(turn: number): Promise<unknown>
}

/** A client at a hostile cluster of its own. */
export interface Lane {
  readonly name: string
  readonly cluster: HostileCluster
  /** Made one after the other; none where a client works by itself. */
  readonly calls: readonly LaneCall[]
  /** Rejects, or waits on, until the client works as it should. */
  check(): Promise<unknown>
}

const logger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const message = { topic: 'T', body: 'x' }
const wait = { timeout: TIMEOUT }
const TRANSACTION_REPLY = recallHandleOf('v1', 'T', 'broker-a', '9999999999999', 'id')

const common = (cluster: HostileCluster) => ({
  namesrvAddr: cluster.namesrvAddr,
  requestTimeout: TIMEOUT,
  heartbeatBrokerInterval: 200,
  pollNameServerInterval: 200,
  logger,
})

function ignore(): void {}

function call(name: string, codes: readonly number[], run: LaneCall['run']): LaneCall {
  return { name, codes, run }
}

export async function producerLane(cluster: HostileCluster): Promise<Lane> {
  const options = { ...common(cluster), sendTimeout: TIMEOUT, retryTimesWhenSendFailed: 0 }
  const producer = new DefaultProducer({ producerGroup: 'p', ...options })
  onTestFinished(() => producer.shutdown({ timeout: 0 }))
  await producer.start()
  return {
    name: 'DefaultProducer',
    cluster,
    calls: [
      call('send', [Code.SEND], () => producer.send(message)),
      call('sendBatch', [Code.SEND_BATCH], () => producer.sendBatch([message, message])),
      call('sendOneway', [], () => producer.sendOneway(message)),
      call('request', [], () => producer.request(message, wait)),
      call('recall', [370], () => producer.recall('T', TRANSACTION_REPLY, wait)),
      call('send to a new topic', [], (turn) => producer.send({ topic: `New${turn % 50}`, body: 'x' })),
      call('fetchPublishMessageQueues', [Code.ROUTE], (turn) =>
        producer.fetchPublishMessageQueues(`Other${turn % 50}`, wait),
      ),
    ],
    check: async () => {
      await producer.send(message, { timeout: 5_000 })
      await producer.sendBatch([message, message], { timeout: 5_000 })
      await producer.request(message, { timeout: 5_000 })
    },
  }
}

export async function transactionLane(cluster: HostileCluster): Promise<Lane> {
  const options = { ...common(cluster), sendTimeout: TIMEOUT, retryTimesWhenSendFailed: 0 }
  const producer = new TransactionProducer({
    producerGroup: 'transactions',
    topics: ['T'],
    checkLocalTransaction: () => 'COMMIT',
    ...options,
  })
  onTestFinished(() => producer.shutdown({ timeout: 0 }))
  await producer.start()
  const send = () => producer.sendInTransaction(message, () => 'COMMIT')
  return { name: 'TransactionProducer', cluster, calls: [call('sendInTransaction', [Code.SEND], send)], check: send }
}

export async function pullLane(cluster: HostileCluster): Promise<Lane> {
  const consumer = new PullConsumer({ consumerGroup: 'pull', ...common(cluster) })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  const [stored] = (await consumer.pull(queue, { offset: 0 })).messages
  if (stored === undefined) throw new Error('an honest pull gave no message')
  return {
    name: 'PullConsumer',
    cluster,
    calls: [
      call('pull', [Code.PULL], (turn) => consumer.pull(queue, { offset: turn % 1_000, ...wait })),
      call('pull by tag', [Code.PULL], (turn) =>
        consumer.pull(queue, { offset: turn % 1_000, expression: 'a', ...wait }),
      ),
      call('pullBlockIfNotFound', [], (turn) => consumer.pullBlockIfNotFound(queue, { offset: turn % 1_000, ...wait })),
      call('fetchSubscribeMessageQueues', [Code.ROUTE], () => consumer.fetchSubscribeMessageQueues('T', wait)),
      call('fetchConsumeOffset', [Code.QUERY_OFFSET], () => consumer.fetchConsumeOffset(queue, wait)),
      call('commitOffset', [Code.UPDATE_OFFSET], (turn) => consumer.commitOffset(queue, turn, wait)),
      call('minOffset', [Code.MIN_OFFSET], () => consumer.minOffset(queue, wait)),
      call('maxOffset', [Code.MAX_OFFSET], () => consumer.maxOffset(queue, wait)),
      call('searchOffset', [Code.SEARCH_OFFSET], () => consumer.searchOffset(queue, 1, wait)),
      call('earliestMsgStoreTime', [Code.EARLIEST_STORE_TIME], () => consumer.earliestMsgStoreTime(queue, wait)),
      call('sendMessageBack', [Code.SEND_BACK], () => consumer.sendMessageBack(stored, 1, wait)),
    ],
    check: async () => {
      const { messages } = await consumer.pull(queue, { offset: 7 })
      if (messages[0]?.body.toString() !== 'body 7') throw new Error('an honest pull gave another message')
      await consumer.commitOffset(queue, 9)
    },
  }
}

export async function simpleLane(cluster: HostileCluster): Promise<Lane> {
  const consumer = new SimpleConsumer({ consumerGroup: 'simple', invisibleDuration: 600_000, ...common(cluster) })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  await consumer.subscribe('T')
  await consumer.start()
  const received: MessageExt[] = []
  const receive = async (timeout: number) => received.push(...(await consumer.receive({ timeout })))
  await receive(5_000)
  const next = () => received.at(-1) as MessageExt
  return {
    name: 'SimpleConsumer',
    cluster,
    calls: [
      call('receive', [PopCode.POP], async () => {
        received.splice(0, Math.max(0, received.length - 4))
        await receive(TIMEOUT)
      }),
      call('ack', [PopCode.ACK], () => consumer.ack(next(), wait)),
      call('changeInvisibleDuration', [PopCode.CHANGE_INVISIBLE_TIME], () =>
        consumer.changeInvisibleDuration(next(), 600_000, wait),
      ),
    ],
    check: async () => {
      if ((await receive(5_000)) === 0) throw new Error('an honest pop gave no message')
      await consumer.ack(next())
    },
  }
}

export async function liteLane(cluster: HostileCluster): Promise<Lane> {
  const consumer = new LitePullConsumer({
    consumerGroup: 'lite',
    consumeFromWhere: 'FIRST',
    pullTimeDelayMillsWhenException: 20,
    rebalanceInterval: 1_000,
    ...common(cluster),
  })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  await consumer.subscribe('T')
  await consumer.start()
  return {
    name: 'LitePullConsumer',
    cluster,
    calls: [
      call('poll', [], () => consumer.poll({ timeout: 50 })),
      call('seek', [], (turn) => consumer.seek(queue, turn % 1_000, wait)),
      call('seekToEnd', [], () => consumer.seekToEnd(queue, wait)),
      call('committed', [Code.QUERY_OFFSET], () => consumer.committed(queue, wait)),
      call('commit', [], () => consumer.commit(undefined, wait)),
      call('offsetForTimestamp', [Code.SEARCH_OFFSET], () => consumer.offsetForTimestamp(queue, 1, wait)),
      call('fetchMessageQueues', [Code.ROUTE], () => consumer.fetchMessageQueues('T', wait)),
    ],
    check: async () => {
      for (let got = 0; got === 0; ) got = (await consumer.poll({ timeout: 1_000 })).length
    },
  }
}

/** A consumer that works by itself: it has messages handed out, from whatever answers it gets. */
export async function pushLane(cluster: HostileCluster, options: Partial<PushConsumerOptions>): Promise<Lane> {
  const { consumerGroup = 'push' } = options
  const consumer = new PushConsumer({
    consumerGroup,
    consumeFromWhere: 'FIRST',
    pullTimeDelayMillsWhenException: 20,
    pullInterval: 5,
    rebalanceInterval: 1_000,
    persistConsumerOffsetInterval: 100,
    ...common(cluster),
    ...options,
  })
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  let consumed = 0
  consumer.onMessage(() => void consumed++)
  await consumer.subscribe('T')
  await consumer.start()
  const check = async () => {
    const before = consumed
    while (consumed === before) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await check()
  return { name: `PushConsumer (${consumerGroup})`, cluster, calls: [], check }
}
