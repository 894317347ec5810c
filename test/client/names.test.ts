import { describe, expect, it } from 'vitest'
import { checkGroup, checkSendTopic, checkTopic } from '../../src/client/name-check.js'
import { tagSubscription } from '../../src/client/subscription-data.js'
import { ClientError } from '../../src/errors.js'

const BAD_NAMES: [string, unknown][] = [
  ['blank', '   '],
  ['empty', ''],
  ['missing', undefined],
  ['null', null],
  ['a number', 7],
  ['with a dot', 'a.b'],
  ['with a space', 'a b'],
  ['with a colon', 'a:b'],
  ['with a slash', 'a/b'],
  ['Chinese', '主题'],
  ['with an umlaut', 'größe'],
  ['with a line break', 'a\n'],
  ['with U+0000', 'a\u0000'],
  ['with an asterisk', 'a*'],
]

describe('checkTopic', () => {
  it.each(['T', 'a-b_c', '%RETRY%group', '|x|', '0', 'x'.repeat(127)])('takes %s', (topic) => {
    expect(checkTopic(topic)).toBe(topic)
  })

  it.each(BAD_NAMES)('refuses a topic that is %s', (_what, topic) => {
    expect(() => checkTopic(topic)).toThrow(ClientError)
    expect(() => checkTopic(topic)).toThrow(/^topic/)
  })

  it('refuses 128 characters, and says how many are allowed', () => {
    expect(() => checkTopic('x'.repeat(128))).toThrow(/has 128 characters, 127 are allowed/)
  })
})

describe('checkSendTopic', () => {
  it.each([
    'SCHEDULE_TOPIC_XXXX',
    'RMQ_SYS_TRANS_HALF_TOPIC',
    'RMQ_SYS_TRANS_OP_HALF_TOPIC',
    'TRANS_CHECK_MAX_TIME_TOPIC',
    'SELF_TEST_TOPIC',
    'OFFSET_MOVED_EVENT',
  ])('refuses the system topic %s', (topic) => {
    expect(() => checkSendTopic(topic)).toThrow(`Sending message to topic[${topic}] is forbidden`)
    expect(checkTopic(topic)).toBe(topic)
  })

  it.each(['TBW102', 'BenchmarkTest', '%RETRY%g', '%DLQ%g', 'RMQ_SYS_TRACE_TOPIC'])('takes %s', (topic) => {
    expect(checkSendTopic(topic)).toBe(topic)
  })
})

describe('checkGroup', () => {
  it.each(['g', 'GID_a-b_c', '%x|', 'x'.repeat(255)])('takes %s', (group) => {
    expect(checkGroup(group, 'consumerGroup')).toBe(group)
  })

  it.each(BAD_NAMES)('refuses a group that is %s', (_what, group) => {
    expect(() => checkGroup(group, 'producerGroup')).toThrow(ClientError)
    expect(() => checkGroup(group, 'producerGroup')).toThrow(/^producerGroup/)
  })

  it('refuses 256 characters', () => {
    expect(() => checkGroup('x'.repeat(256), 'consumerGroup')).toThrow(/255 are allowed/)
  })

  it.each(['DEFAULT_PRODUCER', 'DEFAULT_CONSUMER'])('refuses %s, which everybody would share', (group) => {
    expect(() => checkGroup(group, 'consumerGroup')).toThrow(/choose one of your own/)
  })
})

describe('tagSubscription', () => {
  it.each<[string | undefined, string[]]>([
    [undefined, []],
    ['*', []],
    ['', []],
    ['A', ['A']],
    ['A || B', ['A', 'B']],
    ['A||B||A', ['A', 'B']],
    [' A  ||  ||B ', ['A', 'B']],
  ])('reads %j', (expression, tagsSet) => {
    const subscription = tagSubscription('T', expression)
    expect(subscription.tagsSet).toEqual(tagsSet)
    expect(subscription.subString).toBe(tagsSet.length === 0 ? '*' : expression)
    expect(subscription.codeSet).toHaveLength(tagsSet.length)
  })

  it("has Java's hash of each tag", () => {
    expect(tagSubscription('T', 'TagA || polygenelubricants').codeSet).toEqual([2598919, -2147483648])
  })

  it.each([' ', '||', ' || || ', 7, null])('refuses %j, which names no tag', (expression) => {
    expect(() => tagSubscription('T', expression as string)).toThrow(ClientError)
  })
})
