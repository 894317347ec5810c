import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonEntries, type JsonValue, parseFastjson } from '../../src/codec/fastjson.js'
import { type Printable, PrintableEntries, printFastjson } from '../../src/codec/fastjson-writer.js'
import { encodeConsumerStatus, encodeDirectResult, readResetOffsets } from '../../src/remoting/commands/console.js'
import { golden } from '../codec/golden.js'
import { faultOf } from '../codec/wire.js'

interface FastjsonCase {
  readonly version: string
  readonly name: string
  readonly text: string
}

const cases = golden<FastjsonCase>('fastjson')
/** Those with maps whose keys are queues, and without numbers that Java prints in another way. */
const BY_QUEUE = ['ResetOffsetBody', 'GetConsumerStatusBody']
const QUEUE = { topic: 'T', brokerName: 'a', queueId: 3 }

function textOf(name: string): string {
  const found = cases.find((one) => one.name === name)
  if (found === undefined) throw new Error(`fastjson.json has no ${name}`)
  return found.text
}

describe('printFastjson', () => {
  it.each(cases.filter(({ name }) => BY_QUEUE.includes(name)))(
    'prints maps by queue as Java does: $name ($version)',
    ({ text }) => {
      const sound = text.replace('9007199254740993', '7')
      expect(printFastjson(toPrintable(parseFastjson(sound)))).toBe(sound)
    },
  )

  it('prints whatever JSON can hold as JSON.stringify does', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(printFastjson(value as Printable)).toBe(JSON.stringify(value))
      }),
    )
  })

  it('leaves members out that are undefined', () => {
    expect(printFastjson({ a: undefined, b: [undefined, 1] })).toBe('{"b":[null,1]}')
  })
})

function toPrintable(value: JsonValue): Printable {
  if (value instanceof JsonEntries) {
    return new PrintableEntries(value.entries.map(([key, member]) => [toPrintable(key), toPrintable(member)]))
  }
  if (Array.isArray(value)) return value.map(toPrintable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toPrintable(member as JsonValue)]))
}

describe('the body of a reset of offsets', () => {
  const read = (text: string) => readResetOffsets(Buffer.from(text))

  it('is read as brokers print it', () => {
    const text = textOf('ResetOffsetBody').replace('9007199254740993', '7')
    expect(read(text)).toEqual([
      { queue: { topic: 'TopicTest', brokerName: 'broker-a', queueId: 1 }, offset: 0 },
      { queue: { topic: 'TopicTest', brokerName: 'broker-a', queueId: 0 }, offset: 7 },
    ])
  })

  it.each(['', '{}', '{"offsetTable":null}', '{"offsetTable":{}}'])('may name no queue: %j', (text) => {
    expect(read(text)).toEqual([])
  })

  it.each([
    ['no JSON', '{"offsetTable":'],
    ['a list', '[]'],
    ['a table by name', '{"offsetTable":{"T":1}}'],
    ['a queue without a topic', '{"offsetTable":{{"brokerName":"a","queueId":0}:1}}'],
    ['an offset that is a text', '{"offsetTable":{{"brokerName":"a","queueId":0,"topic":"T"}:"1"}}'],
    ['an offset below 0', '{"offsetTable":{{"brokerName":"a","queueId":0,"topic":"T"}:-1}}'],
    ['an offset that is no whole number', '{"offsetTable":{{"brokerName":"a","queueId":0,"topic":"T"}:1.5}}'],
    ['an offset that a number can not hold', textOf('ResetOffsetBody')],
  ])('is refused when it holds %s', (_what, text) => {
    expect(faultOf(() => read(text))).toMatchObject({ code: 'JSON_MALFORMED' })
  })
})

describe('answers for consoles', () => {
  it('have the offsets by queue, as Java prints them', () => {
    expect(encodeConsumerStatus([{ queue: QUEUE, offset: 5 }]).toString()).toBe(
      '{"consumerTable":{},"messageQueueTable":{{"brokerName":"a","queueId":3,"topic":"T"}:5}}',
    )
  })

  it('have no remark where there is nothing to say', () => {
    const result = { order: false, autoCommit: true, consumeResult: 'CR_SUCCESS', spentTimeMills: 3 } as const
    expect(JSON.parse(encodeDirectResult({ ...result, remark: undefined }).toString())).toEqual(result)
  })
})
