import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { Properties } from '../../src/codec/properties.js'
import { BrokerError, ClientError, RemotingError } from '../../src/errors.js'
import type { Message } from '../../src/index.js'
import { checkBrokerFeature } from '../../src/producer/broker-feature.js'
import { addTiming, brokerFeatureOf, isDelayed, MAX_DELAY_LEVEL } from '../../src/producer/message-timing.js'
import { explainTimerRefusal, isTimerSwitchedOff } from '../../src/producer/timer-refusal.js'
import { startedProducer } from '../support/members-under-test.js'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'
import { rejectionOf } from '../support/until.js'

const SYSTEM_ERROR = 1
const MESSAGE_ILLEGAL = 13
/** As brokers of 5.x write them. */
const LIMIT_REMARK =
  'timer message illegal, the delay time should not be bigger than the max delay 259200000ms; or if set del msg, the delay time should be bigger than the current time'
const SWITCHED_OFF_REMARK = 'accurate timer message is not enabled, timerWheelEnable is false'

/** Takes what no type allows too, as a program in JavaScript may give it. */
function timing(fields: Record<string, unknown>): Properties {
  const properties: Properties = {}
  addTiming({ topic: 'T', body: 'x', ...fields } as Message, properties)
  return properties
}

function refusalOf(act: () => unknown): ClientError {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(ClientError)
    return error as ClientError
  }
  throw new Error('nothing was refused')
}

describe('the timing of a message', () => {
  it.each([
    [{ delayLevel: 1 }, { DELAY: '1' }],
    [{ delayLevel: 0 }, { DELAY: '0' }],
    [{ delayLevel: MAX_DELAY_LEVEL }, { DELAY: '999' }],
    [{ delayMs: 0 }, { TIMER_DELAY_MS: '0' }],
    [{ delayMs: 1_500 }, { TIMER_DELAY_MS: '1500' }],
    [{ delayMs: 31_536_000_000 }, { TIMER_DELAY_MS: '31536000000' }],
    [{ deliverAt: 1_700_000_000_000 }, { TIMER_DELIVER_MS: '1700000000000' }],
    [{ deliverAt: new Date(5) }, { TIMER_DELIVER_MS: '5' }],
    [{ deliverAt: runInNewContext('new Date(6)') }, { TIMER_DELIVER_MS: '6' }],
    [{ priority: 0 }, { _SYS_MSG_PRIORITY_: '0' }],
    [{ priority: 2_147_483_647 }, { _SYS_MSG_PRIORITY_: '2147483647' }],
  ])('%o is written as %o', (fields, properties) => {
    expect(timing(fields)).toEqual(properties)
  })

  it.each<[Record<string, unknown>, string]>([
    [{ delayLevel: -1 }, 'delayLevel is -1, a whole number from 0 to 999 expected'],
    [{ delayLevel: 1.5 }, 'delayLevel is 1.5'],
    [{ delayLevel: '3' }, "delayLevel is '3'"],
    [{ delayLevel: 5_000 }, 'delayLevel is 5000, at most 999 expected'],
    [{ delayMs: -1 }, 'delayMs is -1, a whole number from 0 on expected'],
    [{ delayMs: 0.5 }, 'delayMs is 0.5'],
    [{ delayMs: 2 ** 53 }, 'delayMs is 9007199254740992'],
    [{ deliverAt: new Date('no date') }, 'deliverAt is NaN'],
    [{ deliverAt: null }, 'deliverAt is null'],
    [{ deliverAt: '2030-01-01' }, "deliverAt is '2030-01-01'"],
    [{ priority: -1 }, 'priority is -1, a whole number from 0 to 2147483647 expected'],
    [{ priority: 2_147_483_648 }, 'priority is 2147483648'],
  ])('%o is refused', (fields, problem) => {
    const error = refusalOf(() => timing(fields))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toContain(problem)
  })

  it('may be only one of them, because brokers would drop the others without a word', () => {
    const error = refusalOf(() => timing({ delayLevel: 1, delayMs: 5, deliverAt: 5, priority: 1 }))
    expect(error.message).toBe(
      'a message has delayLevel and delayMs and deliverAt and priority, only one of them can be given',
    )
    expect(refusalOf(() => timing({ priority: 1, shardingKey: 'k' })).message).toContain('priority and shardingKey')
    expect(timing({ delayMs: 1, shardingKey: 'k' })).toEqual({ TIMER_DELAY_MS: '1' })
  })

  it('says what a broker must know to obey it', () => {
    const of = (fields: Partial<Message>) => {
      const message = { topic: 'T', body: 'x', ...fields }
      return [isDelayed(message), brokerFeatureOf(message)]
    }
    expect(of({})).toEqual([false, undefined])
    expect(of({ delayLevel: 3 })).toEqual([true, undefined])
    expect(of({ delayMs: 3 })).toEqual([true, 'TIMER'])
    expect(of({ deliverAt: 3 })).toEqual([true, 'TIMER'])
    expect(of({ priority: 3 })).toEqual([false, 'PRIORITY'])
  })

  it.each([
    ['TIMER', 412, '5.0.0'],
    ['PRIORITY', 492, '5.4.0'],
    ['TIMER', 0, '5.0.0'],
  ] as const)('is refused as %s by the version number %i of a broker, naming %s', (feature, version, since) => {
    const error = refusalOf(() => checkBrokerFeature(feature, version, 'T', 'host:1'))
    expect(error.code).toBe('UNSUPPORTED_BY_BROKER')
    expect(error.message).toContain(`the broker at host:1 is older than ${since} (its version number is ${version})`)
    expect(() => checkBrokerFeature(feature, version === 0 ? 413 : version + 1, 'T', 'host:1')).not.toThrow()
  })
})

describe('a delay level that is none', () => {
  it('is refused before anything is sent', async () => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster)
    const error = await rejectionOf(producer.send({ topic: 'T', body: 'x', delayLevel: 60_000 }))
    expect(error).toMatchObject({ name: 'ClientError', code: 'INVALID_ARGUMENT' })
    expect(error.message).toContain('a time is given by delayMs or deliverAt')
    expect(cluster.broker().sends).toEqual([])
  })
})

describe("a broker's refusal of a timer message", () => {
  const refusal = (responseCode: number, remark: string) =>
    new BrokerError(`refused: ${remark}`, {
      address: 'host:1',
      responseCode,
      responseName: 'NAME',
      remark,
      retryable: true,
    })

  it.each([
    [{ delayMs: 300_000_000 }, 'delayMs is 300000000'],
    [{ deliverAt: 1_900_000_000_000 }, 'deliverAt is 1900000000000'],
    [{ deliverAt: new Date(0) }, 'deliverAt is 1970-01-01T00:00:00.000Z'],
  ])('for its limit names the limit, its setting, and %o', (fields, asked) => {
    const error = refusal(MESSAGE_ILLEGAL, LIMIT_REMARK)
    const explained = explainTimerRefusal(error, { topic: 'T', body: 'x', ...fields }) as BrokerError
    expect(explained).toBeInstanceOf(BrokerError)
    expect(explained).toMatchObject({ address: 'host:1', responseCode: 13, remark: LIMIT_REMARK, retryable: true })
    expect(explained.cause).toBe(error)
    expect(explained.message).toBe(
      `${error.message}; ${asked}, and the broker's limit is 259200000 ms ahead (3 days, its timerMaxDelaySec=259200)`,
    )
  })

  it('because it takes none says what to switch on', () => {
    const error = refusal(SYSTEM_ERROR, SWITCHED_OFF_REMARK)
    const explained = explainTimerRefusal(error, undefined) as BrokerError
    expect(explained.message).toContain('it needs timerWheelEnable=true; delayLevel works without')
    expect(isTimerSwitchedOff(error)).toBe(true)
    expect(isTimerSwitchedOff(refusal(SYSTEM_ERROR, 'disk full'))).toBe(false)
  })

  it('for anything else stays as it is', () => {
    const others = [
      refusal(MESSAGE_ILLEGAL, 'the message body is too long'),
      refusal(SYSTEM_ERROR, 'disk full'),
      new RemotingError('TIMEOUT', 'no answer', { address: 'host:1' }),
      new Error('no error of this client'),
    ]
    for (const error of others) expect(explainTimerRefusal(error, undefined)).toBe(error)
  })

  it.each([
    [MESSAGE_ILLEGAL, LIMIT_REMARK, 'timerMaxDelaySec=259200', 1],
    [SYSTEM_ERROR, SWITCHED_OFF_REMARK, 'timerWheelEnable=true', 3],
  ])(
    'with code %i reaches the caller of send, with what its remark leaves out',
    async (code, remark, hint, attempts) => {
      const cluster = await scriptedCluster()
      cluster.broker().scripts.set(Code.SEND, (request, connection) => connection.answer(request, { code, remark }))
      const producer = await startedProducer(cluster)
      const error = await rejectionOf(producer.send({ topic: 'T', body: 'x', delayMs: 300_000_000 }))
      expect(error).toMatchObject({ name: 'BrokerError', responseCode: code, remark, mayBeStored: false })
      expect(error).toHaveProperty('attempts.length', attempts)
      expect(error.message).toContain(hint)
    },
  )
})
