import { describe, expect, it } from 'vitest'
import { heartbeatFingerprint } from '../../src/client/heartbeat-fingerprint.js'
import {
  buildSubscriptionData,
  type ConsumerData,
  type FilterExpression,
  sql,
} from '../../src/client/subscription-data.js'
import { ClientError } from '../../src/errors.js'
import { golden } from '../codec/golden.js'

interface SubscriptionCase {
  readonly expression: string
  readonly type: 'TAG' | 'SQL92'
  readonly data: {
    readonly subString: string
    readonly tagsSet: readonly string[]
    readonly codeSet: readonly number[]
    readonly expressionType: string
  }
}

interface FingerprintCase extends Omit<ConsumerData, 'groupName' | 'subscriptionDataSet'> {
  readonly version: string
  readonly group: string
  readonly subscriptions: readonly (readonly [topic: string, expression: string, type: 'TAG' | 'SQL92'])[]
  readonly fingerprint: number
}

function expressionOf(expression: string, type: 'TAG' | 'SQL92'): FilterExpression {
  return type === 'TAG' ? expression : sql(expression)
}

describe('buildSubscriptionData', () => {
  it.each(golden<SubscriptionCase>('subscriptions'))(
    'makes of $expression ($type) what Java makes of it',
    ({ expression, type, data }) => {
      const own = buildSubscriptionData('T', expressionOf(expression, type), 5)
      expect({ ...own, tagsSet: [...own.tagsSet].sort(), codeSet: [...own.codeSet].sort() }).toEqual({
        ...data,
        subVersion: 5,
        tagsSet: [...data.tagsSet].sort(),
        codeSet: [...data.codeSet].sort(),
      })
    },
  )

  it('wants all messages of a topic where nothing is said', () => {
    expect(buildSubscriptionData('T')).toMatchObject({ subString: '*', tagsSet: [], expressionType: 'TAG' })
  })

  it.each([
    [5],
    [null],
    [['TagA']],
    [{}],
    [{ type: 'SQL92' }],
    [{ type: 'SQL92', expression: '' }],
    [{ type: 'REGEX', expression: 'a' }],
    ['||'],
    [' || '],
  ])('refuses %j', (expression) => {
    expect(() => buildSubscriptionData('T', expression as never)).toThrowError(ClientError)
  })
})

describe('sql', () => {
  it('marks a condition as SQL92', () => {
    expect(sql('a > 5')).toEqual({ type: 'SQL92', expression: 'a > 5' })
  })

  it.each([[''], ['  '], [undefined], [5]])('refuses %j', (expression) => {
    expect(() => sql(expression as never)).toThrowError(/SQL92 expression/)
  })
})

describe('heartbeatFingerprint', () => {
  it.each(golden<FingerprintCase>('fingerprints'))(
    'is the number that Java $version gets, with $subscriptions.length subscriptions of $group',
    ({ group, subscriptions, fingerprint, consumeType, messageModel, consumeFromWhere, unitMode }) => {
      const subscriptionDataSet = subscriptions.map(([topic, expression, type]) =>
        buildSubscriptionData(topic, expressionOf(expression, type), Date.now()),
      )
      const data = { groupName: group, subscriptionDataSet, consumeType, messageModel, consumeFromWhere, unitMode }
      expect(heartbeatFingerprint([], [data as ConsumerData])).toBe(fingerprint)
    },
  )
})
