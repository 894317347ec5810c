import { expect, it, onTestFinished } from 'vitest'
import { Client } from '../../src/client/client.js'
import { getEarliestMsgStoreTime } from '../../src/remoting/commands/offset.js'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'
import { rejectionOf } from '../support/until.js'

const REQUEST_CODE_NOT_SUPPORTED = 3

async function setUp() {
  const cluster = await scriptedCluster()
  const { nameServer } = cluster
  const broker = cluster.broker()
  broker.scripts.set(Code.EARLIEST_STORE_TIME, (request, connection) =>
    connection.answer(request, { code: REQUEST_CODE_NOT_SUPPORTED, remark: ' request type 32 not supported' }),
  )
  const client = new Client({ namesrvAddr: cluster.namesrvAddr })
  onTestFinished(() => client.shutdown())
  await client.start()
  const refusal = () =>
    rejectionOf(client.remoting.invoke(broker.address, getEarliestMsgStoreTime, { topic: 'T', queueId: 0 }))
  /** As a proxy answers, or a NameServer. */
  const answerAs = (kind: 'proxy' | 'NameServer') => {
    nameServer.onRouteRequest = (topic, request, connection) => {
      if (kind === 'NameServer') return false
      connection.answer(request, {
        body: nameServer.routes.get(topic) ?? Buffer.alloc(0),
        fields: { MSG_REGION: '', TRACE_ON: 'false' },
      })
      return true
    }
  }
  return { broker, client, refusal, answerAs }
}

it('a route of a NameServer makes no address that of a proxy', async () => {
  const { broker, client, refusal } = await setUp()
  await client.routes.route('T')
  expect(client.remoting.isProxy(broker.address)).toBe(false)
  expect(await refusal()).toMatchObject({ name: 'BrokerError', code: 'REQUEST_CODE_NOT_SUPPORTED', responseCode: 3 })
})

it('a route of a proxy does, as long as the newest one is', async () => {
  const { broker, client, refusal, answerAs } = await setUp()
  answerAs('proxy')
  await client.routes.route('T')
  expect(client.remoting.isProxy(broker.address)).toBe(true)
  const error = await refusal()
  expect(error).toMatchObject({ name: 'BrokerError', code: 'UNSUPPORTED_BY_BROKER', responseCode: 3, retryable: false })
  expect(error.message).toMatch(
    /^GET_EARLIEST_MSG_STORETIME was refused by .* with 3 REQUEST_CODE_NOT_SUPPORTED: .*; the server there is a proxy/,
  )
  answerAs('NameServer')
  await client.routes.refresh('T')
  expect(client.remoting.isProxy(broker.address)).toBe(false)
})
