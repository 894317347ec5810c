import { describe, expect, it } from 'vitest'
import { checkGroup, checkSendTopic, checkTopic } from '../../src/client/name-check.js'
import { ClientError } from '../../src/errors.js'
import {
  hasLegalCharacters,
  isNotAllowedSendTopic,
  isSystemTopic,
  MAX_GROUP_LENGTH,
  MAX_TOPIC_LENGTH,
} from '../../src/message/names.js'
import { golden } from '../codec/golden.js'

/** Java's complaint, or null where it has none. */
interface NameCase {
  readonly name: string
  readonly checkTopic: string | null
  readonly checkGroup: string | null
  readonly isSystemTopic: string | null
  readonly isNotAllowedSendTopic: string | null
}

const cases = golden<NameCase>('validators')
/** Validators lets these pass, and the producers and consumers refuse them when they start. */
const DEFAULT_GROUPS = ['DEFAULT_PRODUCER', 'DEFAULT_CONSUMER']
/** Clients from 5.4 on refuse groups that older brokers take; here the broker is the judge. */
const isLongGroup = ({ name, checkGroup }: NameCase) =>
  checkGroup?.includes('longer than group max length') === true && name.length <= MAX_GROUP_LENGTH

function isRefused(check: () => unknown): boolean {
  try {
    check()
    return false
  } catch (error) {
    if (error instanceof ClientError && error.code === 'INVALID_ARGUMENT') return true
    throw error
  }
}

describe('names that Java was asked about', () => {
  it.each(cases)('are taken or refused as topics as Java does: $name', ({ name, checkTopic: complaint }) => {
    expect(isRefused(() => checkTopic(name))).toBe(complaint !== null)
  })

  it.each(cases.filter((one) => !isLongGroup(one) && !DEFAULT_GROUPS.includes(one.name)))(
    'are taken or refused as groups as Java does: $name',
    ({ name, checkGroup: complaint }) => {
      expect(isRefused(() => checkGroup(name, 'producerGroup'))).toBe(complaint !== null)
      expect(isRefused(() => checkGroup(name, 'consumerGroup'))).toBe(complaint !== null)
    },
  )

  it.each(cases)('are system topics or not as in Java: $name', (one) => {
    expect(isSystemTopic(one.name)).toBe(one.isSystemTopic !== null)
    expect(isNotAllowedSendTopic(one.name)).toBe(one.isNotAllowedSendTopic !== null)
    const isSendable = one.checkTopic === null && one.isNotAllowedSendTopic === null
    expect(isRefused(() => checkSendTopic(one.name))).toBe(!isSendable)
  })

  it.each(DEFAULT_GROUPS)('are refused as groups when they are what Java calls a group without a name: %s', (name) => {
    expect(isRefused(() => checkGroup(name, 'producerGroup'))).toBe(true)
    expect(isRefused(() => checkGroup(name, 'consumerGroup'))).toBe(true)
  })

  it('are taken as groups up to 255 characters, where Java stops at 120 since 5.4', () => {
    const long = cases.filter(isLongGroup)
    expect(long.length).toBeGreaterThan(0)
    for (const { name } of long) expect(checkGroup(name, 'consumerGroup')).toBe(name)
    expect(isRefused(() => checkGroup('x'.repeat(MAX_GROUP_LENGTH + 1), 'consumerGroup'))).toBe(true)
  })
})

describe('name checks', () => {
  it.each([undefined, null, 5, {}, ['topic']])('refuse %j', (name) => {
    expect(() => checkTopic(name)).toThrow('a name is expected')
    expect(() => checkGroup(name, 'producerGroup')).toThrow('producerGroup')
  })

  it('say what is wrong, with what and which way', () => {
    expect(() => checkTopic('x'.repeat(MAX_TOPIC_LENGTH + 1))).toThrow('has 128 characters, 127 are allowed')
    expect(() => checkTopic('a.b')).toThrow("topic 'a.b' contains illegal characters")
    expect(() => checkSendTopic('SCHEDULE_TOPIC_XXXX')).toThrow('SCHEDULE_TOPIC_XXXX')
    expect(() => checkGroup('DEFAULT_PRODUCER', 'producerGroup')).toThrow('choose one of your own')
  })

  it('allow exactly these ASCII characters', () => {
    const legal = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter(hasLegalCharacters)
    expect(legal.join('')).toBe('%-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz|')
  })
})
