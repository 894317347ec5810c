import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { BrokerError, type Credentials, DefaultProducer, type RocketMQError } from '../../src/index.js'
import {
  type AccessControl,
  ALLOWED_GROUP,
  ALLOWED_TOPIC,
  accessControlOf,
  changePassword,
  createRules,
  OTHER_GROUP,
  READ_ONLY_TOPIC,
} from '../support/access-control.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { uniqueName } from '../support/names.js'
import { topicBrokers } from '../support/remoting-probe.js'
import { sendWhileRotating } from '../support/rotation.js'
import { newSecret, secretIn } from '../support/secrets.js'
import { expectAccepted, refusedConsuming, refusedProducing, type SecuredCalls } from '../support/secured-calls.js'
import { rejectionOf, until } from '../support/until.js'

const { ROCKETMQ_VERSION: version = '5.5.0' } = process.env

describe(`access control of brokers ${version}`, () => {
  const access: AccessControl = accessControlOf(version)
  const isAcl2 = access.kind === 'ACL 2.0'
  let cluster: Cluster

  beforeAll(async () => {
    cluster = await startCluster({
      route: 'java',
      version,
      config: { ...access.config, timerWheelEnable: 'true', osPageCacheBusyTimeOutMills: '10000' },
      files: access.files,
      credentials: access.admin,
      log: () => {},
    })
    await createRules(access, cluster)
  })

  afterAll(() => cluster?.stop())

  function calls(credentials: Credentials | undefined, topic: string, consumerGroup: string): SecuredCalls {
    const { namesrvAddr } = cluster
    const options = { namesrvAddr, ...(credentials !== undefined && { credentials }) }
    return { options, topic, consumerGroup, hasPop: version !== '4.9.7' }
  }

  /** Says what was refused, and keeps the secret. */
  function expectDenied(errors: readonly RocketMQError[], denial: object): void {
    for (const error of errors) {
      expect(error).toBeInstanceOf(BrokerError)
      expect(error).toMatchObject({ code: 'NO_PERMISSION', retryable: false, denial })
      expect(secretIn(error)).toBeUndefined()
    }
  }

  test('lets in those whom its rules allow: send, batch, transaction, pull, push and POP', async () => {
    await expectAccepted(calls(access.app, ALLOWED_TOPIC, ALLOWED_GROUP))
  })

  test('lets in what is signed in JSON, too', async () => {
    const { options, ...rest } = calls(access.app, ALLOWED_TOPIC, ALLOWED_GROUP)
    await expectAccepted({ ...rest, options: { ...options, serializeType: 'JSON' } })
  })

  test.each(['ROCKETMQ', 'JSON'] as const)('lets in what is signed in a namespace v2, in %s', async (serializeType) => {
    const { options, ...rest } = calls(access.app, ALLOWED_TOPIC, ALLOWED_GROUP)
    await expectAccepted({ ...rest, options: { ...options, serializeType, namespaceV2: 'inst_1' } })
  })

  test('refuses to write to a topic that may only be read, and names it', async () => {
    const errors = await refusedProducing(calls(access.app, READ_ONLY_TOPIC, ALLOWED_GROUP), version !== '4.9.7')
    expectDenied(errors, {
      kind: 'AUTHORIZATION',
      resource: `Topic:${READ_ONLY_TOPIC}`,
      ...(isAcl2 && { subject: `User:${access.app.accessKey}`, reason: 'no matched policies' }),
    })
  })

  test('refuses a group that has no rule, and names it', async () => {
    const errors = await refusedConsuming(calls(access.app, ALLOWED_TOPIC, OTHER_GROUP))
    expect(errors).toHaveLength(version === '4.9.7' ? 2 : 3)
    expectDenied(errors, { kind: 'AUTHORIZATION', resource: `Group:${OTHER_GROUP}` })
  })

  test.each([
    ['a wrong secret', { ...access.app, secretKey: newSecret() }],
    ['a user that it does not know', { accessKey: 'nobody0001', secretKey: newSecret() }],
    ['no credentials', undefined],
  ])('refuses everything to %s, and says so', async (_what, credentials) => {
    const wrong = calls(credentials, ALLOWED_TOPIC, ALLOWED_GROUP)
    expectDenied([...(await refusedProducing(wrong)), ...(await refusedConsuming(wrong))], { kind: 'AUTHENTICATION' })
  })

  test('says that it does not know who asks also for a topic that does not exist yet, which stays unmade', async () => {
    const { options } = calls({ ...access.app, secretKey: newSecret() }, ALLOWED_TOPIC, ALLOWED_GROUP)
    const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), ...options })
    onTestFinished(() => producer.shutdown())
    await producer.start()
    const topic = uniqueName('unmade')
    const error = (await rejectionOf(producer.verifyCredentials(topic))) as RocketMQError
    expectDenied([error], { kind: 'AUTHENTICATION' })
    const [nameServer] = cluster.nameServers
    expect(await topicBrokers(nameServer?.address ?? '', topic)).toBeUndefined()
  })

  test('a user that is replaced by another one under load makes no send fail', async () => {
    const { failures } = await sendWhileRotating({ cluster, access, rate: 2_200, count: 1, sendsAfter: 1_000 })
    expect(failures).toEqual([])
  })

  // ACL 1.0 has its passwords in a file.
  if (!isAcl2) return

  test('a password that changes under load makes no send fail when the provider has the new one', async () => {
    let current = access.app
    const producer = new DefaultProducer({
      producerGroup: uniqueName('pg'),
      namesrvAddr: cluster.namesrvAddr,
      credentials: async () => current,
    })
    onTestFinished(() => producer.shutdown())
    await producer.start()
    let sent = 0
    let isOver = false
    const failures: unknown[] = []
    const senders = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        await producer.send({ topic: ALLOWED_TOPIC, body: 'x' }).then(
          () => sent++,
          (error: unknown) => failures.push(error),
        )
      }
    })
    await until(() => sent > 500)
    const changed = { ...access.app, secretKey: `${access.app.secretKey}-2` }
    current = changed
    await changePassword(cluster, access.admin, changed)
    const before = sent
    // Brokers keep users for two seconds.
    await until(() => sent > before + 20_000 || failures.length > 0, 60_000)
    isOver = true
    await Promise.all(senders)
    expect(failures).toEqual([])
    current = access.app
    await changePassword(cluster, access.admin, access.app)
  })
})
