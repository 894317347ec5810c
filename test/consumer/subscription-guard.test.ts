import { describe, expect, it } from 'vitest'
import type { ClientWarning } from '../../src/client/member.js'
import { sql } from '../../src/client/subscription-data.js'
import { type GroupConsumerUnderTest, groupConsumer } from '../support/group-consumer-under-test.js'
import { scriptedCluster } from '../support/scripted-cluster.js'
import { GroupCode, ScriptedGroup } from '../support/scripted-group.js'
import { staySilent } from '../support/scripted-server.js'
import { turns, until } from '../support/until.js'

interface Wire {
  readonly subString: string
  readonly tagsSet?: readonly string[]
  readonly expressionType?: string
}

async function setUp(table: Record<string, Wire>, others: string[] = ['other@1', 'other@2']) {
  const cluster = await scriptedCluster(['a'])
  cluster.addTopic('U')
  const group = new ScriptedGroup(cluster)
  group.others = others
  group.subscriptions = table
  return { cluster, group }
}

function warningsOf(consumer: GroupConsumerUnderTest): ClientWarning[] {
  const warnings: ClientWarning[] = []
  consumer.on('warning', (warning) => warnings.push(warning))
  return warnings
}

const tagged = (subString: string, ...tagsSet: string[]): Wire => ({ subString, tagsSet, expressionType: 'TAG' })

describe('members of a group that subscribe to different messages', () => {
  it('are warned of at the start, before their own subscription covers the others’: topic, both expressions, client ids', async () => {
    const { cluster } = await setUp({ T: tagged('TagB', 'TagB') })
    const consumer = groupConsumer(cluster)
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T', 'TagA')
    await consumer.start()
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ code: 'SUBSCRIPTIONS_DIFFER', topic: 'T' })
    for (const part of ['group g', 'topic T', '"TagA"', '"TagB"', 'other@1, other@2'])
      expect(warnings[0]?.message).toContain(part)
  })

  it('are warned of when a member comes that wants something else, once', async () => {
    const { cluster, group } = await setUp({}, [])
    const consumer = groupConsumer(cluster)
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T', 'TagA')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    await until(() => 'T' in group.subscriptions)
    for (let i = 0; i < 3; i++) {
      group.others = ['zzz']
      group.subscriptions = { T: tagged('TagB', 'TagB') }
      const count = cluster.broker().server.requestsOf(GroupCode.CONSUMER_CONNECTION).length
      group.notify()
      await until(() => cluster.broker().server.requestsOf(GroupCode.CONSUMER_CONNECTION).length > count)
      await turns(5)
    }
    expect(warnings.map(({ code }) => code)).toEqual(['SUBSCRIPTIONS_DIFFER'])
  })

  it.each<[string, Record<string, Wire>, string]>([
    ['the other has no such topic', { U: tagged('*') }, 'another does not subscribe to it'],
    ['the other has a topic more', { T: tagged('TagA', 'TagA'), V: tagged('*') }, 'this one does not subscribe to it'],
    ['the other filters by SQL92', { T: { subString: 'TagA', expressionType: 'SQL92' } }, '"TagA" (SQL92)'],
    ['the other wants a tag more', { T: tagged('TagA||x', 'TagA', 'x') }, 'another subscribes to "TagA||x"'],
    ['the other wants all', { T: tagged('*') }, 'another subscribes to "*"'],
  ])('are told apart when %s', async (_what, table, part) => {
    const { cluster } = await setUp(table)
    const consumer = groupConsumer(cluster)
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T', 'TagA')
    await consumer.start()
    expect(warnings.map(({ message }) => message).join()).toContain(part)
  })

  it.each<[string, Record<string, Wire>]>([
    [
      'the tags stand in another order',
      { T: tagged('y ||x', 'y', 'x'), U: { subString: 'a > 5', expressionType: 'SQL92' } },
    ],
    [
      'a retry topic is there too',
      {
        T: tagged('x || y', 'x', 'y'),
        U: { subString: 'a > 5', expressionType: 'SQL92' },
        '%RETRY%g': tagged('*'),
      },
    ],
  ])('are not taken for different when %s', async (_what, table) => {
    const { cluster } = await setUp(table)
    const consumer = groupConsumer(cluster)
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T', 'x || y')
    await consumer.subscribe('U', sql('a > 5'))
    await consumer.start()
    expect(warnings).toEqual([])
  })

  it('are not looked for while nobody else is in the group', async () => {
    const { cluster } = await setUp({ T: tagged('TagB', 'TagB') }, [])
    const consumer = groupConsumer(cluster)
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T', 'TagA')
    await consumer.start()
    await until(() => consumer.has.length === 4)
    expect(warnings).toEqual([])
  })

  it.each([
    ['refuses', 3, undefined],
    ['answers nonsense', 0, Buffer.from('{"connectionSet":5}')],
  ])('are no obstacle where a broker %s', async (_what, code, body) => {
    const { cluster } = await setUp({})
    cluster.broker().scripts.set(GroupCode.CONSUMER_CONNECTION, (request, connection) => {
      connection.answer(request, body === undefined ? { code } : { code, body })
    })
    const consumer = groupConsumer(cluster)
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length > 0)
    expect(warnings).toEqual([])
  })

  it('hold up the start no longer than one request when a broker is silent', async () => {
    const { cluster } = await setUp({})
    cluster.broker().scripts.set(GroupCode.CONSUMER_CONNECTION, staySilent)
    const consumer = groupConsumer(cluster, { requestTimeout: 1_000 })
    await consumer.subscribe('T')
    await consumer.start()
    await until(() => consumer.has.length > 0)
  })

  it('are told of with the names that the user gave', async () => {
    const cluster = await scriptedCluster(['a'])
    cluster.addTopic('ns%T')
    const group = new ScriptedGroup(cluster, 'ns%g')
    group.others = ['other@1']
    group.subscriptions = { 'ns%T': tagged('TagB', 'TagB') }
    const consumer = groupConsumer(cluster, { namespace: 'ns' })
    const warnings = warningsOf(consumer)
    await consumer.subscribe('T', 'TagA')
    await consumer.start()
    expect(warnings[0]?.topic).toBe('T')
    expect(warnings[0]?.message).not.toContain('ns%')
  })
})
