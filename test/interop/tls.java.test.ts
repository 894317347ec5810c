import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  Client,
  type ClientOptions,
  DefaultProducer,
  PullConsumer,
  PushConsumer,
  type RemotingError,
  SimpleConsumer,
  type TlsOptions,
  TransactionProducer,
} from '../../src/index.js'
import {
  type AccessControl,
  ALLOWED_GROUP,
  ALLOWED_TOPIC,
  accessControlOf,
  createRules,
  OTHER_GROUP,
  READ_ONLY_TOPIC,
} from '../support/access-control.js'
import { makeAuthority, makeIdentity } from '../support/certificates.js'
import { type Cluster, startCluster } from '../support/cluster.js'
import { createTopicOn } from '../support/create-topic-on.js'
import { uniqueName } from '../support/names.js'
import { type ProbeOptions, probe, topicBrokers } from '../support/remoting-probe.js'
import { secretIn } from '../support/secrets.js'
import { expectAccepted, refusedConsuming, refusedProducing } from '../support/secured-calls.js'
import { type ServerTls, serverTls, type TlsKind } from '../support/server-tls.js'
import { socksServer } from '../support/socks-server.js'
import { rejectionOf, until } from '../support/until.js'

const { ROCKETMQ_VERSION: version = '5.5.0' } = process.env
const GET_ROUTE = 105
const run = promisify(execFile)
const CONFIG = { timerWheelEnable: 'true', osPageCacheBusyTimeOutMills: '10000' }
const KINDS: readonly TlsKind[] = ['one-way', 'mutual']

async function startTlsCluster(tls: ServerTls, access?: AccessControl): Promise<Cluster> {
  const { jvmOptions, probe } = tls
  return startCluster({
    route: 'java',
    version,
    jvmOptions,
    tls: probe,
    config: { ...CONFIG, ...access?.config },
    ...(access !== undefined && { files: access.files, credentials: access.admin }),
    log: () => {},
  })
}

async function refusalOf(options: ClientOptions): Promise<RemotingError> {
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), ...options })
  onTestFinished(() => producer.shutdown())
  const started = rejectionOf(
    (async () => {
      await producer.start()
      await producer.send({ topic: ALLOWED_TOPIC, body: 'x' })
    })(),
  )
  return (await started) as RemotingError
}

// The example imports the package by its name, so it must be built.
beforeAll(() => run(process.execPath, ['scripts/set-up.mjs']))

describe.each(KINDS)(`TLS with servers ${version}, %s`, (kind) => {
  let tls: ServerTls
  let cluster: Cluster
  let namesrvAddr: string

  beforeAll(async () => {
    tls = await serverTls(kind)
    cluster = await startTlsCluster(tls)
    namesrvAddr = cluster.namesrvAddr
    const [broker] = cluster.brokers
    const [nameServer] = cluster.nameServers
    await createTopicOn(broker?.address ?? '', { topic: ALLOWED_TOPIC, queues: 2 }, { tls: tls.probe })
    await until(async () => topicBrokers(nameServer?.address ?? '', ALLOWED_TOPIC, { tls: tls.probe }), 30_000)
  })

  afterAll(async () => {
    await cluster?.stop()
    await tls?.remove()
  })

  test('all kinds of clients work: send, batch, transaction, pull, push and POP', async () => {
    const options = { namesrvAddr, tls: tls.client }
    await expectAccepted({ options, topic: ALLOWED_TOPIC, consumerGroup: ALLOWED_GROUP, hasPop: version !== '4.9.7' })
  })

  test('all kinds of clients work through a SOCKS5 proxy', async () => {
    const user = { username: 'user', password: 'secret' }
    const proxy = await socksServer(user)
    const options = { namesrvAddr, tls: tls.client, socksProxy: { addr: proxy.address, ...user } }
    const consumerGroup = uniqueName('cg')
    await expectAccepted({ options, topic: ALLOWED_TOPIC, consumerGroup, hasPop: version !== '4.9.7' })
    expect(new Set(proxy.asked)).toEqual(new Set([namesrvAddr, cluster.brokers[0]?.address]))
  })

  test('a server of another authority is refused', async () => {
    const error = await refusalOf({ namesrvAddr, tls: { ...tls.client, ca: makeAuthority('Other CA').ca.cert } })
    expect(error.message).toMatch(/certificate is not accepted: its authority is none of those that tls\.ca names/)
  })

  test('no kind of client starts with a server that it does not trust', async () => {
    const options = { namesrvAddr, tls: { ...tls.client, ca: makeAuthority('Other CA').ca.cert } }
    const consumerGroup = ALLOWED_GROUP
    const push = new PushConsumer({ consumerGroup, ...options })
    push.onMessage(() => undefined)
    const clients = [
      new DefaultProducer({ producerGroup: 'p', ...options }),
      new TransactionProducer({ producerGroup: 'p', checkLocalTransaction: () => 'UNKNOWN', ...options }),
      new PullConsumer({ consumerGroup, ...options }),
      new SimpleConsumer({ consumerGroup, ...options }),
      push,
    ]
    for (const client of clients) {
      onTestFinished(() => client.shutdown())
      const error = await rejectionOf(client.start())
      expect(error).toMatchObject({ name: 'RemotingError', code: 'TLS_FAILED', address: namesrvAddr })
    }
  })

  test('a server with a certificate for another name is refused', async () => {
    const error = await refusalOf({ namesrvAddr, tls: { ...tls.client, servername: 'broker.example' } })
    expect(error.message).toContain('not for broker.example but for DNS:localhost, IP Address:127.0.0.1')
  })

  test('a client without TLS is told that servers may want it', async () => {
    const error = await refusalOf({ namesrvAddr })
    expect(error.message).toContain('it may want TLS (option tls)')
  })

  if (kind === 'one-way') return

  test.each([
    ['none', () => ({})],
    ['one of another authority', () => makeAuthority('Other CA').client],
    ['one that has expired', () => makeIdentity('old', { issuer: tls.authority.ca, notBefore: -9, notAfter: -2 })],
  ])('a client certificate is wanted, and %s is not enough', async (_what, identity) => {
    const { cert, key } = identity() as Partial<TlsOptions>
    const own = cert === undefined ? {} : { cert, key }
    const error = await refusalOf({ namesrvAddr, tls: { ca: tls.authority.ca.cert, ...own } as TlsOptions })
    expect(error.message).toContain('tls.cert')
  })
})

describe.each(KINDS)(`TLS and access control together with servers ${version}, %s`, (kind) => {
  const access = accessControlOf(version)
  let tls: ServerTls
  let cluster: Cluster

  beforeAll(async () => {
    tls = await serverTls(kind)
    cluster = await startTlsCluster(tls, access)
    await createRules(access, cluster, tls.probe)
  })

  afterAll(async () => {
    await cluster?.stop()
    await tls?.remove()
  })

  const calls = (topic: string, consumerGroup: string) => ({
    options: { namesrvAddr: cluster.namesrvAddr, tls: tls.client, credentials: access.app },
    topic,
    consumerGroup,
    hasPop: version !== '4.9.7',
  })

  test('let in those whom the rules allow', async () => {
    await expectAccepted(calls(ALLOWED_TOPIC, ALLOWED_GROUP))
  })

  test('the example shows both', async () => {
    const { accessKey, secretKey } = access.app
    const { ca, client } = tls.authority
    const runExample = async (topic: string, group: string): Promise<string> => {
      const { stdout, stderr } = await run(process.execPath, ['--import', 'tsx', 'examples/secured.ts', topic, group], {
        env: {
          ...process.env,
          NAMESRV_ADDR: cluster.namesrvAddr,
          MQ_ACCESS_KEY: accessKey,
          MQ_SECRET_KEY: secretKey,
          MQ_CA: ca.cert,
          MQ_CERT: client.cert,
          MQ_CERT_KEY: client.key,
        },
        timeout: 60_000,
      })
      expect(secretIn(stdout + stderr)).toBeUndefined()
      return stdout
    }
    expect(await runExample(ALLOWED_TOPIC, ALLOWED_GROUP)).toMatch(/^sent: SEND_OK\nreceived: /)
    expect(await runExample(READ_ONLY_TOPIC, ALLOWED_GROUP)).toContain(
      `refused (AUTHORIZATION): Topic:${READ_ONLY_TOPIC}, `,
    )
    expect(await runExample(ALLOWED_TOPIC, OTHER_GROUP)).toContain(`refused (AUTHORIZATION): Group:${OTHER_GROUP}, `)
  })

  test('refuse the others, and say what is not allowed', async () => {
    for (const error of await refusedProducing(calls(READ_ONLY_TOPIC, ALLOWED_GROUP), version !== '4.9.7')) {
      expect(error).toMatchObject({ code: 'NO_PERMISSION', denial: { resource: `Topic:${READ_ONLY_TOPIC}` } })
    }
    for (const error of await refusedConsuming(calls(ALLOWED_TOPIC, OTHER_GROUP))) {
      expect(error).toMatchObject({ code: 'NO_PERMISSION', denial: { resource: `Group:${OTHER_GROUP}` } })
    }
  })
})

test('a client with TLS that meets servers without says so', async () => {
  const cluster = await startCluster({ route: 'java', log: () => {} })
  onTestFinished(() => cluster.stop())
  const error = await refusalOf({ namesrvAddr: cluster.namesrvAddr, tls: true })
  expect(error.message).toContain('it may be a port without TLS')
})

test('servers as they are by default take both, TLS with a certificate that nobody can verify', async () => {
  const cluster = await startCluster({ route: 'java', jvmOptions: ['-Dtls.server.mode=permissive'], log: () => {} })
  onTestFinished(() => cluster.stop())
  const { namesrvAddr } = cluster
  for (const tls of [false, { rejectUnauthorized: false }]) {
    const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), namesrvAddr, tls })
    onTestFinished(() => producer.shutdown())
    await producer.start()
    await producer.send({ topic: ALLOWED_TOPIC, body: 'x' })
  }
  expect((await refusalOf({ namesrvAddr, tls: true })).message).toMatch(
    /certificate is not accepted: it is self-signed/,
  )
})

test('certificates that are replaced on the disk of servers and client: new connections of a client use them, those that are open stay', async () => {
  const tls = await serverTls('mutual')
  onTestFinished(() => tls.remove())
  const cluster = await startTlsCluster(tls)
  onTestFinished(() => cluster.stop())
  const { namesrvAddr } = cluster
  const client = new Client({ namesrvAddr, tls: tls.clientFiles })
  onTestFinished(() => client.shutdown())
  const producer = new DefaultProducer({ producerGroup: uniqueName('pg'), client })
  onTestFinished(() => producer.shutdown())
  await producer.start()
  await producer.send({ topic: ALLOWED_TOPIC, body: 'x' })

  const { ca, client: own } = await tls.replace()
  const next = { ca: ca.cert, cert: own.cert, key: own.key }
  const servers = [...cluster.nameServers, ...cluster.brokers]
  for (const { address } of servers) await until(() => canAsk(address, next), 30_000)
  expect((await refusalOf({ namesrvAddr, tls: tls.client })).message).toContain('certificate is not accepted')
  await producer.send({ topic: ALLOWED_TOPIC, body: 'x' })
  client.remoting.closeConnections()
  await producer.send({ topic: ALLOWED_TOPIC, body: 'x' })
})

/** Whether a server lets a client of these certificates in: in TLS 1.3 only its first answer shows that. */
function canAsk(address: string, tls: ProbeOptions['tls']): Promise<boolean> {
  return probe(address, { code: GET_ROUTE, fields: { topic: ALLOWED_TOPIC } }, { tls }).then(
    () => true,
    () => false,
  )
}
