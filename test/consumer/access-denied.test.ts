import { describe, expect, it } from 'vitest'
import type { MessageExt } from '../../src/message/message.js'
import { pushConsumer, pushSetUp } from '../support/push-consumer-under-test.js'
import { Code, type ScriptedBroker, scriptedCluster } from '../support/scripted-cluster.js'
import { GroupCode } from '../support/scripted-group.js'
import { ScriptedPop } from '../support/scripted-pop.js'
import type { Script } from '../support/scripted-server.js'
import { simpleConsumer } from '../support/simple-consumer-under-test.js'
import { rejectionOf, until } from '../support/until.js'

const ACL_2 = { code: 16, remark: 'User:app has no permission to access Group:g from 127.0.0.1, no matched policies.' }
const ACL_1 = {
  code: 1,
  remark:
    'org.apache.rocketmq.acl.common.AclException: No default permission for group:g, org.apache.rocketmq.acl.X.y(X.java:1)',
}
const POP_MESSAGE = 200_050
const DENIED = { name: 'BrokerError', code: 'NO_PERMISSION', retryable: false, denial: { resource: 'Group:g' } }

/** Refuses requests with a code until the test says otherwise. */
function refuse(broker: ScriptedBroker, code: number, parts: { code: number; remark: string }): { allow(): void } {
  const before = broker.scripts.get(code) as Script
  broker.scripts.set(code, (request, connection) => connection.answer(request, parts))
  return { allow: () => void broker.scripts.set(code, before) }
}

describe('a consumer that a broker does not let in', () => {
  it.each([
    ['ACL 2.0', ACL_2],
    ['ACL 1.0', ACL_1],
  ])('does not start, says what is not allowed (%s), and starts when it is', async (_acl, refusal) => {
    const { cluster, broker, queue } = await pushSetUp()
    const rule = refuse(broker, GroupCode.HEARTBEAT, refusal)
    const consumer = pushConsumer(cluster)
    const messages: MessageExt[] = []
    consumer.onMessage((batch) => void messages.push(...batch))
    await consumer.subscribe('T')
    expect(await rejectionOf(consumer.start())).toMatchObject(DENIED)
    expect(consumer.assignment()).toEqual([])
    queue.fill(3)
    rule.allow()
    await consumer.start()
    await until(() => messages.length === 3)
  })

  it('that pops does not start either', async () => {
    const cluster = await scriptedCluster()
    new ScriptedPop(cluster.broker())
    refuse(cluster.broker(), Code.HEARTBEAT, ACL_2)
    const consumer = simpleConsumer(cluster)
    await consumer.subscribe('T')
    expect(await rejectionOf(consumer.start())).toMatchObject(DENIED)
  })

  it('does not start either where its routes are refused, by a proxy', async () => {
    const { cluster } = await pushSetUp()
    new ScriptedPop(cluster.broker())
    cluster.nameServer.onRouteRequest = (_topic, request, connection) => {
      connection.answer(request, { code: 1, remark: 'check signature failed.' })
      return true
    }
    const push = pushConsumer(cluster)
    push.onMessage(() => undefined)
    for (const consumer of [push, simpleConsumer(cluster, { consumerGroup: 'popping' })]) {
      await consumer.subscribe('T')
      expect(await rejectionOf(consumer.start())).toMatchObject({
        code: 'NO_PERMISSION',
        retryable: false,
        denial: { kind: 'AUTHENTICATION' },
      })
    }
  })

  it('starts when only another broker is down', async () => {
    const { cluster, broker } = await pushSetUp()
    broker.scripts.set(GroupCode.HEARTBEAT, () => undefined)
    const consumer = pushConsumer(cluster)
    consumer.onMessage(() => undefined)
    await consumer.subscribe('T')
    await consumer.start()
  })

  it('later tells so by an event, once for each queue, and does not ask in a loop', async () => {
    const { cluster, broker, queue } = await pushSetUp()
    const consumer = pushConsumer(cluster, { pullTimeDelayMillsWhenException: 10 })
    consumer.onMessage(() => undefined)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => queue.waitingCount === 1)
    const errors: Error[] = []
    consumer.on('error', ({ error }) => errors.push(error))
    refuse(broker, Code.PULL, ACL_2)
    const before = broker.server.requestsOf(Code.PULL).length
    queue.fill(1)
    await until(() => errors.length > 0)
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject(DENIED)
    expect(broker.server.requestsOf(Code.PULL)).toHaveLength(before + 1)
  })
})

describe('the time of a pop', () => {
  const V5_1_4 = 433
  const V5_3_3 = 479

  it.each([
    ['without credentials', undefined, V5_3_3, false],
    ['with credentials', { accessKey: 'app', secretKey: 'secret' }, V5_3_3, true],
    ['with credentials', { accessKey: 'app', secretKey: 'secret' }, V5_1_4, false],
    ['with credentials', { accessKey: 'app', secretKey: 'secret' }, 493, false],
  ])(
    'is left to the broker, but for 5.3 with access control, which would not answer: %s, %o, version %d',
    async (_what, credentials, version, isOurs) => {
      const cluster = await scriptedCluster()
      const { server } = cluster.broker()
      server.version = version
      const pop = new ScriptedPop(cluster.broker())
      const consumer = simpleConsumer(cluster, credentials === undefined ? {} : { credentials })
      await consumer.subscribe('T')
      await consumer.start()
      await consumer.receive({ timeout: 100 })
      const [request] = server.requestsOf(POP_MESSAGE)
      expect(pop).toBeDefined()
      expect(Number(request?.field('bornTime')) > 0).toBe(isOurs)
    },
  )
})
