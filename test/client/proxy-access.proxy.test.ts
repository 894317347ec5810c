import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type ClientOptions,
  type Credentials,
  DefaultProducer,
  PullConsumer,
  PushConsumer,
  type RocketMQError,
} from '../../src/index.js'
import {
  ALLOWED_GROUP,
  ALLOWED_TOPIC,
  accessControlOf,
  createRules,
  OTHER_GROUP,
  proxyAccessOf,
  READ_ONLY_TOPIC,
} from '../support/access-control.js'
import { makeAuthority } from '../support/certificates.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { newSecret, secretIn } from '../support/secrets.js'
import { expectAccepted, refusedConsuming, refusedProducing, type SecuredCalls } from '../support/secured-calls.js'
import { type ServerTls, serverTls } from '../support/server-tls.js'
import { startTransactionProducer } from '../support/transactions.js'
import { rejectionOf, until } from '../support/until.js'

const { ROCKETMQ_VERSION: version = '5.5.0' } = process.env
const DEADLINE = 45_000
const access = accessControlOf(version)
let tls: ServerTls
let cluster: Cluster
let namesrvAddr: string

beforeAll(async () => {
  tls = await serverTls('mutual')
  cluster = await startCluster({
    route: 'java',
    version,
    jvmOptions: tls.jvmOptions,
    tls: tls.probe,
    config: {
      osPageCacheBusyTimeOutMills: '10000',
      transactionCheckInterval: '1000',
      transactionTimeOut: '1000',
      ...access.config,
    },
    credentials: access.admin,
    proxy: { ...proxyAccessOf(access), ...tls.proxySettings, enableTopicMessageTypeCheck: false },
    log: () => {},
  })
  namesrvAddr = cluster.proxy?.address ?? ''
  await createRules(access, cluster, tls.probe)
})

afterAll(async () => {
  await cluster?.stop()
  await tls?.remove()
})

function optionsWith(credentials: ClientOptions['credentials']): ClientOptions {
  return { namesrvAddr, tls: tls.client, ...(credentials !== undefined && { credentials }) }
}

function calls(topic: string, consumerGroup: string, options: ClientOptions = {}): SecuredCalls {
  return {
    options: { ...optionsWith(access.app), ...options },
    topic,
    consumerGroup,
    hasPop: false,
    hasTransactions: false,
  }
}

async function startProducer(options: ClientOptions): Promise<DefaultProducer> {
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), ...options })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  return producer
}

describe(`access control of a proxy ${version} with TLS`, () => {
  /** Says what was refused, and keeps the secret. A proxy says so by another code than brokers do. */
  function expectDenied(errors: readonly RocketMQError[], denial: object): void {
    for (const error of errors) {
      expect(error).toMatchObject({ name: 'BrokerError', code: 'NO_PERMISSION', retryable: false, denial })
      expect(secretIn(error)).toBeUndefined()
    }
  }

  test.each(['ROCKETMQ', 'JSON'] as const)(
    'lets in those whom its rules allow, in %s: send, batch, pull and push',
    async (serializeType) => {
      await expectAccepted(calls(ALLOWED_TOPIC, ALLOWED_GROUP, { serializeType }))
    },
  )

  test('lets in transactions, which are settled when the broker asks', async () => {
    const producer = await startTransactionProducer({
      ...optionsWith(access.app),
      checkLocalTransaction: () => 'COMMIT',
    })
    const body = uniqueName('transaction')
    await producer.sendInTransaction({ topic: ALLOWED_TOPIC, body }, () => 'COMMIT')
    const bodies: string[] = []
    const consumer = new PushConsumer({
      consumerGroup: ALLOWED_GROUP,
      consumeFromWhere: 'FIRST',
      ...optionsWith(access.app),
    })
    onTestFinished(() => consumer.shutdown({ timeout: 0 }))
    consumer.onMessage((messages) => void bodies.push(...messages.map((message) => message.body.toString())))
    await consumer.subscribe(ALLOWED_TOPIC)
    await consumer.start()
    await until(() => bodies.includes(body), DEADLINE)
  })

  test('refuses to write to a topic that may only be read, and names it', async () => {
    expectDenied(await refusedProducing(calls(READ_ONLY_TOPIC, ALLOWED_GROUP)), {
      kind: 'AUTHORIZATION',
      subject: `User:${access.app.accessKey}`,
      resource: `Topic:${READ_ONLY_TOPIC}`,
      reason: 'no matched policies',
    })
  })

  test('refuses a group that has no rule, and names it', async () => {
    const errors = await refusedConsuming(calls(ALLOWED_TOPIC, OTHER_GROUP))
    expect(errors).toHaveLength(2)
    expectDenied(errors, { kind: 'AUTHORIZATION', resource: `Group:${OTHER_GROUP}` })
  })

  test.each<[string, () => Credentials | undefined]>([
    ['a wrong secret', () => ({ ...access.app, secretKey: newSecret() })],
    ['a user that it does not know', () => ({ accessKey: 'nobody0001', secretKey: newSecret() })],
    ['no credentials', () => undefined],
  ])('refuses everything to %s, routes too, and says so', async (_what, credentials) => {
    const options = optionsWith(credentials())
    const producer = await startProducer(options)
    const message = { topic: ALLOWED_TOPIC, body: 'x' }
    const pull = new PullConsumer({ consumerGroup: ALLOWED_GROUP, ...options })
    onTestFinished(() => pull.shutdown())
    await pull.start()
    const push = new PushConsumer({ consumerGroup: ALLOWED_GROUP, ...options })
    onTestFinished(() => push.shutdown({ timeout: 0 }))
    push.onMessage(() => undefined)
    await push.subscribe(ALLOWED_TOPIC)
    const errors = [
      await rejectionOf(producer.verifyCredentials(ALLOWED_TOPIC)),
      await rejectionOf(producer.send(message)),
      await rejectionOf(producer.sendBatch([message, message])),
      await rejectionOf(pull.pull({ topic: ALLOWED_TOPIC, brokerName: 'broker-a', queueId: 0 }, { offset: 0 })),
      await rejectionOf(push.start()),
    ]
    expectDenied(errors as RocketMQError[], { kind: 'AUTHENTICATION' })
  })

  test('lets in the credentials that a function gives when it did not know the first ones', async () => {
    const given = [{ ...access.app, secretKey: newSecret() }, access.app]
    const producer = await startProducer(optionsWith(() => given.shift() ?? access.app))
    expect(await producer.send({ topic: ALLOWED_TOPIC, body: 'x' })).toMatchObject({ sendStatus: 'SEND_OK' })
    expect(given).toEqual([])
  })
})

describe(`TLS of a proxy ${version}`, () => {
  async function refusalOf(options: ClientOptions): Promise<RocketMQError> {
    const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, ...options })
    onTestFinished(() => producer.shutdown())
    const sending = producer.start().then(() => producer.send({ topic: ALLOWED_TOPIC, body: 'x' }))
    return (await rejectionOf(sending)) as RocketMQError
  }

  test('is refused where its certificate is of another authority', async () => {
    const error = await refusalOf({ tls: { ...tls.client, ca: makeAuthority('Other CA').ca.cert } })
    expect(error.message).toMatch(/certificate is not accepted: its authority is none of those that tls\.ca names/)
  })

  test('wants a client certificate', async () => {
    expect((await refusalOf({ tls: { ca: tls.authority.ca.cert } })).message).toContain('tls.cert')
  })

  test('is missed by a client without', async () => {
    expect((await refusalOf({})).message).toContain('it may want TLS (option tls)')
  })
})
