import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { DefaultProducer, type MessageQueue, PullConsumer } from '../../src/index.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { type Oracle, OracleError, startOracle } from '../support/oracle.js'
import { PATIENCE } from '../support/patience.js'
import { readTopic } from '../support/read-topic.js'
import { rejectionOf, until } from '../support/until.js'

const CONSUMER_NOT_ONLINE = 206

let cluster: Cluster
let oracle: Oracle

beforeAll(async () => {
  cluster = await startCluster({ route: 'java', log: () => {} })
  oracle = await startOracle(cluster.version)
})

afterAll(async () => {
  await oracle?.stop()
  await cluster?.stop()
})

async function startProducer(producerGroup: string): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup, namesrvAddr: cluster.namesrvAddr, ...PATIENCE })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

async function startConsumer(consumerGroup: string): Promise<PullConsumer> {
  const consumer = new PullConsumer({ consumerGroup, namesrvAddr: cluster.namesrvAddr })
  onTestFinished(() => consumer.shutdown())
  await consumer.start()
  return consumer
}

/** A topic of which queue i holds 10 + i messages. */
async function filledTopic(consumer: PullConsumer): Promise<MessageQueue[]> {
  const topic = uniqueName('views')
  const { namesrvAddr } = cluster
  await oracle.call('createTopic', { namesrvAddr, topic, queues: 4 })
  const producer = await startProducer(uniqueName('pg'))
  const queues = await producer.fetchPublishMessageQueues(topic)
  for (const queue of queues) {
    for (let i = 0; i < 10 + queue.queueId; i++) await producer.send({ topic, body: 'x' }, { queue })
  }
  await readTopic(consumer, topic, 46)
  return queues
}

async function mqadmin(...words: string[]): Promise<string> {
  const { stdout } = await oracle.call('mqadmin', { args: words })
  return stdout
}

/** What consumerProgress prints of a group: broker offset, consumer offset and difference of each queue. */
async function progressOf(group: string, topic: string): Promise<number[][]> {
  const printed = await mqadmin('consumerProgress', '-n', cluster.namesrvAddr, '-g', group)
  const rows = printed.split('\n').map((line) => line.trim().split(/\s+/))
  return rows
    .filter((words) => words[0] === topic || words[0] === topic.slice(0, 32))
    .map((words) => {
      const at = words.indexOf('broker-a')
      // Queue id, broker offset, consumer offset; some versions print the address of the consumer in between, which is no number.
      const numbers = words.slice(at + 1).filter((word) => /^-?\d+$/.test(word))
      return numbers.slice(0, 3).map(Number)
    })
}

test('mqadmin consumerProgress shows the offsets that a consumer committed', async () => {
  const group = uniqueName('cg')
  const consumer = await startConsumer(group)
  const queues = await filledTopic(consumer)
  const [{ topic } = { topic: '' }] = queues
  for (const queue of queues) await consumer.commitOffset(queue, 3 * queue.queueId)
  expect(await progressOf(group, topic)).toEqual([
    [0, 10, 0],
    [1, 11, 3],
    [2, 12, 6],
    [3, 13, 9],
  ])

  const [first] = queues
  if (first === undefined) throw new Error('the topic has no queue')
  consumer.updateConsumeOffset(first, 10)
  await consumer.shutdown()
  const stats = await oracle.call('consumeOffset', { namesrvAddr: cluster.namesrvAddr, group, topic })
  expect(stats.queues.map((queue) => queue.consumerOffset)).toEqual([10, 3, 6, 9])
  expect(stats.totalDiff).toBe(46 - 28)
})

// Brokers before 5.2 set offsets only through members of the group that are online.
test.each(/^(4|5\.[01])\./.test(process.env.ROCKETMQ_VERSION ?? '') ? [] : [10])(
  'a consumer that committed %i starts at the offsets that the Java admin client set for its group',
  async (committed) => {
    const group = uniqueName('cg')
    const consumer = await startConsumer(group)
    const queues = await filledTopic(consumer)
    const [{ topic } = { topic: '' }] = queues
    const { namesrvAddr } = cluster
    for (const queue of queues) await consumer.commitOffset(queue, committed)
    await consumer.shutdown()

    await oracle.call('resetOffset', { namesrvAddr, topic, group, timestamp: 0 })
    const next = await startConsumer(group)
    for (const queue of queues) expect(await next.fetchConsumeOffset(queue)).toBe(0)
  },
)

test('consumerConnection shows a consumer while it runs, with what it reads, and not after its shutdown', async () => {
  const group = uniqueName('cg')
  const consumer = await startConsumer(group)
  const [queue] = await filledTopic(consumer)
  if (queue === undefined) throw new Error('the topic has no queue')
  await consumer.pull(queue, { offset: 0, expression: 'TagA || TagB' })
  const { namesrvAddr } = cluster
  const view = await until(async () => {
    const seen = await oracle.call('consumerConnection', { namesrvAddr, group }).catch(() => undefined)
    return seen?.subscriptions.find((each) => each.topic === queue.topic)?.subString === 'TagA || TagB' && seen
  }, 30_000)
  expect(view).toMatchObject({
    connections: [{ clientId: consumer.clientId }],
    consumeType: 'CONSUME_ACTIVELY',
    messageModel: 'CLUSTERING',
  })
  expect(view.subscriptions).toContainEqual(
    expect.objectContaining({ topic: queue.topic, expressionType: 'TAG', tagsSet: ['TagA', 'TagB'] }),
  )
  const printed = await mqadmin('consumerConnection', '-n', namesrvAddr, '-g', group)
  expect(printed).toContain(consumer.clientId)
  expect(printed).toMatch(/ConsumeType: CONSUME_ACTIVELY/)
  expect(printed).toMatch(/MessageModel: CLUSTERING/)

  await consumer.shutdown()
  const error = await rejectionOf(oracle.call('consumerConnection', { namesrvAddr, group }))
  expect(error).toBeInstanceOf(OracleError)
  expect(error).toMatchObject({ code: CONSUMER_NOT_ONLINE })
})

test('producerConnection shows a producer while it runs, and not after its shutdown', async () => {
  const group = uniqueName('pg')
  const topic = uniqueName('views')
  const { namesrvAddr } = cluster
  const producer = await startProducer(group)
  await producer.send({ topic, body: 'x' })
  const view = () => mqadmin('producerConnection', '-n', namesrvAddr, '-g', group, '-t', topic).catch(String)
  await until(async () => (await view()).includes(producer.clientId), 30_000)

  await producer.shutdown()
  const after = await view()
  expect(after).not.toContain(producer.clientId)
  expect(after).toMatch(/not exist/)
})

test('an empty body is refused by the Java client and by this one', async () => {
  const topic = uniqueName('empty')
  const { namesrvAddr } = cluster
  const { outcomes } = await oracle.call('produce', { namesrvAddr, topic, count: 1, seed: 1, size: 0 })
  expect(outcomes).toMatchObject([
    { error: { class: 'MQClientException', message: expect.stringMatching(/body length/) } },
  ])

  const producer = await startProducer(uniqueName('pg'))
  for (const body of ['', new Uint8Array()]) {
    await expect(producer.send({ topic, body })).rejects.toMatchObject({
      name: 'ClientError',
      code: 'INVALID_ARGUMENT',
      message: `the message body for topic ${topic} has length zero: brokers refuse it`,
    })
    await expect(
      producer.sendBatch([
        { topic, body: 'x' },
        { topic, body },
      ]),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
    await expect(producer.sendOneway({ topic, body })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  }
})
