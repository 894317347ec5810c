import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  type ClientOptions,
  DefaultProducer,
  type MessageExt,
  PullConsumer,
  PushConsumer,
  TransactionProducer,
} from '../../src/index.js'
import { ALLOWED_GROUP, ALLOWED_TOPIC, accessControlOf, createRules } from '../support/access-control.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { resolveRequest } from '../support/cluster-request.js'
import { uniqueName } from '../support/names.js'
import { probe } from '../support/remoting-probe.js'
import { type ServerTls, serverTls } from '../support/server-tls.js'
import { rejectionOf, until } from '../support/until.js'
import { createTopic } from './create-topic.js'

const DEADLINE = 60_000
const GET_CONSUMER_CONNECTION_LIST = 203
/** Brokers ask soon for transactions that nobody has ended. */
const CONFIG = { transactionTimeOut: '1000', transactionCheckInterval: '1000', osPageCacheBusyTimeOutMills: '10000' }

/** One of the two clusters, and what a client of this process needs to reach it. */
interface Side {
  readonly name: string
  readonly cluster: Cluster
  readonly options: Pick<ClientOptions, 'namesrvAddr' | 'credentials' | 'tls'>
  readonly queues: number
  readonly count: number
}

const access = accessControlOf(resolveRequest({}).version)
let encryption: ServerTls
let open: Cluster
let secured: Cluster
let sides: readonly Side[]

beforeAll(async () => {
  encryption = await serverTls('one-way')
  const { admin, config, files } = access
  const { jvmOptions, probe: tls } = encryption
  const log = () => {}
  ;[open, secured] = await Promise.all([
    startCluster({ route: 'java', config: CONFIG, log }),
    startCluster({ route: 'java', config: { ...CONFIG, ...config }, files, jvmOptions, tls, credentials: admin, log }),
  ])
  await createTopic(open, ALLOWED_TOPIC, { queues: 3 })
  await createRules(access, secured, encryption.probe)
  sides = [
    { name: 'open', cluster: open, options: { namesrvAddr: open.namesrvAddr }, queues: 3, count: 20 },
    { name: 'secured', cluster: secured, options: securedOptions(access.app), queues: 2, count: 30 },
  ]
})
afterAll(async () => {
  await open?.stop()
  await secured?.stop()
  await encryption?.remove()
})

function securedOptions(credentials: ClientOptions['credentials']): Side['options'] {
  return { namesrvAddr: secured.namesrvAddr, tls: encryption.client, ...(credentials && { credentials }) }
}

/** How many members of the group a cluster's broker knows. */
async function membersAt({ cluster, options }: Side): Promise<number> {
  const [{ address } = { address: '' }] = cluster.brokers
  const request = { code: GET_CONSUMER_CONNECTION_LIST, fields: { consumerGroup: ALLOWED_GROUP } }
  const isSecured = options.credentials !== undefined
  const call = isSecured ? { tls: encryption.probe, credentials: access.admin } : {}
  const { code, body } = await probe(address, request, { ...call, timeout: 10_000 })
  return code === 0
    ? (JSON.parse(body.replace(/([{,])(\d+):/g, '$1"$2":')) as { connectionSet: [] }).connectionSet.length
    : 0
}

async function both<T>(work: (side: Side) => Promise<T>): Promise<T[]> {
  return Promise.all(sides.map(work))
}

describe('two clusters with the same names of brokers, topics and groups, in one process', () => {
  it('have messages, offsets, routes and members of their own', async () => {
    // The same client id too: by the names alone, nobody can tell them apart.
    const instanceName = uniqueName('same')
    const received = new Map<Side, MessageExt[]>(sides.map((side) => [side, []]))
    const consumers = await both(async (side) => {
      const consumer = new PushConsumer({
        consumerGroup: ALLOWED_GROUP,
        instanceName,
        consumeFromWhere: 'FIRST',
        persistConsumerOffsetInterval: 100,
        ...side.options,
      })
      onTestFinished(() => consumer.shutdown({ timeout: 0 }))
      consumer.onMessage((messages) => void received.get(side)?.push(...messages))
      await consumer.subscribe(ALLOWED_TOPIC)
      await consumer.start()
      return consumer
    })
    expect(consumers[0]?.clientId).toBe(consumers[1]?.clientId)

    await both(async ({ name, count, queues, options }) => {
      const producer = new DefaultProducer({ producerGroup: 'pg', instanceName, ...options })
      onTestFinished(() => producer.shutdown())
      await producer.start()
      expect(await producer.fetchPublishMessageQueues(ALLOWED_TOPIC)).toHaveLength(queues)
      for (let i = 0; i < count; i++) await producer.send({ topic: ALLOWED_TOPIC, body: `${name} ${i}` })
    })
    for (const [side, messages] of received) {
      await until(() => messages.length >= side.count, DEADLINE)
      const bodies = new Set(messages.map(({ body }) => body.toString()))
      expect(bodies).toEqual(new Set(Array.from({ length: side.count }, (_, i) => `${side.name} ${i}`)))
      expect(messages).toHaveLength(side.count)
    }

    await both(async ({ count, options }) => {
      const reader = new PullConsumer({ consumerGroup: ALLOWED_GROUP, ...options })
      onTestFinished(() => reader.shutdown())
      await reader.start()
      const queues = await reader.fetchSubscribeMessageQueues(ALLOWED_TOPIC)
      const committed = async () => {
        const offsets = await Promise.all(queues.map((queue) => reader.fetchConsumeOffset(queue)))
        return offsets.reduce((sum, offset) => sum + Math.max(0, offset), 0)
      }
      await until(async () => (await committed()) === count, DEADLINE)
      // It counts as a member, too.
      await reader.shutdown()
    })

    const addresses = consumers.map((consumer) => consumer.health().brokers.map(({ address }) => address))
    expect(addresses).toEqual(sides.map(({ cluster }) => cluster.brokers.map(({ address }) => address)))
    const [first, second] = sides as [Side, Side]
    await until(async () => (await membersAt(first)) === 1 && (await membersAt(second)) === 1, DEADLINE)
    await consumers[0]?.shutdown()
    await until(async () => (await membersAt(first)) === 0, DEADLINE)
    expect(await membersAt(second)).toBe(1)
    expect(consumers[1]?.health().isHealthy).toBe(true)
  })

  it('ask for their own transactions only', async () => {
    const asked = new Map<Side, Set<string>>(sides.map((side) => [side, new Set()]))
    await both(async (side) => {
      const producer = new TransactionProducer({
        producerGroup: 'transactions',
        checkLocalTransaction: ({ body }) => {
          asked.get(side)?.add(Buffer.from(body).toString())
          return 'ROLLBACK'
        },
        ...side.options,
      })
      onTestFinished(() => producer.shutdown())
      await producer.start()
      await producer.sendInTransaction({ topic: ALLOWED_TOPIC, body: `half of ${side.name}` }, async () => 'UNKNOWN')
    })
    await until(() => [...asked.values()].every((bodies) => bodies.size > 0), DEADLINE)
    for (const [{ name }, bodies] of asked) expect([...bodies]).toEqual([`half of ${name}`])
  })

  it('keep credentials and encryption to themselves', async () => {
    const wrong = { ...access.app, secretKey: `${access.app.secretKey}-wrong` }
    const producers = await Promise.all(
      [access.app, wrong, undefined].map(async (credentials) => {
        const producer = new DefaultProducer({
          producerGroup: 'pg',
          instanceName: 'same',
          ...securedOptions(credentials),
        })
        onTestFinished(() => producer.shutdown())
        await producer.start()
        return producer
      }),
    )
    // In turn, again and again: no connection, session or signature of one serves another.
    for (let i = 0; i < 3; i++) {
      const [allowed, ...refused] = await Promise.allSettled(
        producers.map((producer) => producer.send({ topic: ALLOWED_TOPIC, body: 'x' })),
      )
      for (const send of refused) expect(send).toMatchObject({ reason: { code: 'NO_PERMISSION' } })
      expect(allowed).toMatchObject({ value: { sendStatus: 'SEND_OK' } })
    }
    const plain = new DefaultProducer({ producerGroup: 'pg', namesrvAddr: secured.namesrvAddr })
    onTestFinished(() => plain.shutdown())
    const start = plain.start().then(() => plain.send({ topic: ALLOWED_TOPIC, body: 'x' }))
    expect(await rejectionOf(start)).toMatchObject({ name: 'RemotingError' })
  })

  it('do not notice when the other one ends', async () => {
    const [dying, living] = await both(async ({ options }) => {
      const producer = new DefaultProducer({ producerGroup: 'pg', ...options })
      onTestFinished(() => producer.shutdown())
      await producer.start()
      await producer.send({ topic: ALLOWED_TOPIC, body: 'before' })
      return producer
    })
    await Promise.all([...open.brokers, ...open.nameServers].map((node) => node.kill()))
    const failing = rejectionOf(dying?.send({ topic: ALLOWED_TOPIC, body: 'x' }) ?? Promise.resolve())
    for (let i = 0; i < 10; i++) {
      const sent = await living?.send({ topic: ALLOWED_TOPIC, body: 'after' }, { timeout: 30_000 })
      expect(sent?.sendStatus).toBe('SEND_OK')
    }
    expect(await failing).toMatchObject({ name: 'RemotingError' })
    expect(living?.health().isHealthy).toBe(true)
    expect(dying?.health().isHealthy).toBe(false)
  })
})
