import { describe, expect, it } from 'vitest'
import { decodeBatch } from '../../src/codec/batch-codec.js'
import { UniqueIdGenerator } from '../../src/codec/message-id.js'
import { decodeProperties } from '../../src/codec/properties.js'
import { ClientError } from '../../src/errors.js'
import type { Message } from '../../src/message/message.js'
import { RESERVED_PROPERTIES } from '../../src/message/message-properties.js'
import { toBatch } from '../../src/producer/batch.js'
import { type OutgoingMessage, toOutgoingMessage } from '../../src/producer/outgoing-message.js'

const MAX_SIZE = 4 * 1024 * 1024
const ids = new UniqueIdGenerator()

/** Takes what no type allows too, as a program in JavaScript may give it. */
function encode(fields: Record<string, unknown>, maxMessageSize = MAX_SIZE): OutgoingMessage {
  return toOutgoingMessage({ topic: 'T', body: 'x', ...fields } as Message, maxMessageSize, ids)
}

function refusal(act: () => unknown): ClientError {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(ClientError)
    return error as ClientError
  }
  throw new Error('nothing was refused')
}

describe('a body', () => {
  it.each<[string, unknown, string]>([
    ['a string, as UTF-8', 'grüße 😀', 'grüße 😀'],
    ['a Buffer', Buffer.from('buffer'), 'buffer'],
    ['a Uint8Array', new Uint8Array([104, 105]), 'hi'],
    ['a view into a larger buffer', Buffer.from('0123456789').subarray(3, 6), '345'],
    ['a view of shared memory', sharedBytes('shared'), 'shared'],
  ])('may be %s', (_what, body, text) => {
    expect(Buffer.from(encode({ body }).body).toString()).toBe(text)
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a number', 7],
    ['an object', { a: 1 }],
    ['a list of bytes', [1, 2, 3]],
    ['an ArrayBuffer', new ArrayBuffer(4)],
    ['shared memory itself', new SharedArrayBuffer(4)],
    ['another kind of array', new Uint16Array(4)],
    ['a DataView', new DataView(new ArrayBuffer(4))],
  ])('may not be %s', (_what, body) => {
    const error = refusal(() => encode({ body }))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toContain('body is')
  })

  it.each(['', Buffer.alloc(0), new Uint8Array(0)])('may not be empty: brokers refuse it', (body) => {
    expect(refusal(() => encode({ body })).message).toContain('length zero')
  })

  it('may have maxMessageSize bytes, and not one more', () => {
    expect(encode({ body: Buffer.alloc(MAX_SIZE) }).body).toHaveLength(MAX_SIZE)
    const error = refusal(() => encode({ body: Buffer.alloc(MAX_SIZE + 1) }))
    expect(error.code).toBe('MESSAGE_TOO_LARGE')
    expect(error.message).toContain('4194305 bytes, 4194304 are allowed')
    expect(refusal(() => encode({ body: 'ü'.repeat(6) }, 11)).message).toContain('12 bytes')
  })

  it('is copied: what the caller does with it afterwards changes nothing', () => {
    const body = Buffer.from('before')
    const outgoing = encode({ body })
    body.write('after!')
    expect(Buffer.from(outgoing.body).toString()).toBe('before')
  })
})

describe('properties', () => {
  const properties = (fields: Record<string, unknown>) => {
    const { UNIQ_KEY, ...others } = decodeProperties(encode(fields).properties)
    expect(UNIQ_KEY).toMatch(/^[0-9A-F]{32}$/)
    return others
  }

  it('hold what the message says', () => {
    expect(
      properties({
        tags: 'TagA',
        keys: ['k1', 'k2'],
        shardingKey: 's',
        delayLevel: 3,
        waitStoreMsgOk: false,
        properties: { a: 'b', größe: '大 😀' },
      }),
    ).toEqual({
      TAGS: 'TagA',
      KEYS: 'k1 k2',
      __SHARDINGKEY: 's',
      DELAY: '3',
      WAIT: 'false',
      a: 'b',
      größe: '大 😀',
    })
  })

  it('hold a time to deliver at, as number or Date', () => {
    expect(properties({ delayMs: 1_500 })).toMatchObject({ TIMER_DELAY_MS: '1500' })
    expect(properties({ deliverAt: 1_700_000_000_000 })).toMatchObject({ TIMER_DELIVER_MS: '1700000000000' })
    expect(properties({ deliverAt: new Date(5) })).toMatchObject({ TIMER_DELIVER_MS: '5' })
  })

  it('hold a priority', () => {
    expect(properties({ priority: 0 })).toMatchObject({ _SYS_MSG_PRIORITY_: '0' })
  })

  it.each([
    { delayLevel: 1, delayMs: 1 },
    { delayMs: 1, deliverAt: 1 },
    { deliverAt: 1, priority: 0 },
    { delayLevel: 1, priority: 1 },
  ])('hold no two of which a broker would drop one: %j', (fields) => {
    const [first, second] = Object.keys(fields)
    expect(refusal(() => encode(fields)).message).toContain(`a message has ${first} and ${second}`)
  })

  it('leave out what is empty', () => {
    expect(properties({ tags: '', keys: [], properties: {} })).toEqual({ WAIT: 'true' })
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '1'])(
    'may have the name %s',
    (name) => {
      const given = JSON.parse(`{${JSON.stringify(name)}:"kept"}`)
      expect(Object.entries(properties({ properties: given }))).toEqual(
        expect.arrayContaining([
          [name, 'kept'],
          ['WAIT', 'true'],
        ]),
      )
      expect(Object.keys(Object.prototype)).toEqual([])
    },
  )

  it('come from the object itself, not from its prototype', () => {
    expect(properties({ properties: Object.create({ inherited: 'x' }) })).toEqual({ WAIT: 'true' })
  })

  it.each([...RESERVED_PROPERTIES, '__RMQ.TRANSIENT.x'])(
    "may not have the name %s, which is RocketMQ's own",
    (name) => {
      const error = refusal(() => encode({ properties: { [name]: 'x' } }))
      expect(error.code).toBe('INVALID_ARGUMENT')
      expect(error.message).toContain(name)
    },
  )

  it.each([
    ['a blank name', { '  ': 'x' }],
    ['an empty name', { '': 'x' }],
    ['a name with U+0001', { 'a\u0001b': 'x' }],
    ['a name with U+0002', { 'a\u0002b': 'x' }],
    ['a value with U+0001', { a: '1\u0001x' }],
    ['a value with U+0002', { a: '1\u0002KEYS\u0001evil' }],
    ['an empty value', { a: '' }],
    ['a blank value', { a: ' ' }],
    ['a number for a value', { a: 1 }],
    ['null for a value', { a: null }],
    ['undefined for a value', { a: undefined }],
  ])('may not have %s', (_what, given) => {
    expect(refusal(() => encode({ properties: given })).code).toBe('INVALID_ARGUMENT')
  })

  it.each(['text', 7, null, true])('must be an object, not %j', (given) => {
    expect(refusal(() => encode({ properties: given })).message).toContain('properties is')
  })

  it('may take 32,767 bytes of UTF-8 in all, and not one more', () => {
    const rest = Buffer.byteLength(encode({ properties: { p: 'x' } }).properties) - 1
    const room = 32_767 - rest
    expect(Buffer.byteLength(encode({ properties: { p: 'x'.repeat(room) } }).properties)).toBe(32_767)
    const error = refusal(() => encode({ properties: { p: 'x'.repeat(room + 1) } }))
    expect(error.code).toBe('MESSAGE_TOO_LARGE')
    expect(error.message).toContain('32768 bytes, 32767 are allowed')
    // Bytes count, not characters.
    expect(refusal(() => encode({ properties: { p: '大'.repeat(11_000) } })).code).toBe('MESSAGE_TOO_LARGE')
  })
})

describe('other fields', () => {
  it.each([
    ['tags', 'a\u0002b'],
    ['tags', ' '],
    ['tags', 7],
    ['tags', null],
    ['keys', 'a\u0001b'],
    ['keys', ['a b']],
    ['keys', ['']],
    ['keys', [7]],
    ['keys', 7],
    ['keys', { a: 1 }],
    ['shardingKey', ''],
    ['shardingKey', 7],
    ['delayLevel', -1],
    ['delayLevel', 1.5],
    ['delayLevel', '3'],
    ['delayMs', Number.NaN],
    ['deliverAt', new Date('no date')],
    ['deliverAt', 'tomorrow'],
    ['priority', -1],
    ['flag', 2 ** 31],
    ['flag', 1.5],
    ['flag', '1'],
    ['topic', 'a b'],
    ['topic', undefined],
    ['topic', 'SCHEDULE_TOPIC_XXXX'],
  ])('%s may not be %j', (field, value) => {
    const error = refusal(() => encode({ [field]: value }))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.message).toContain(field)
  })

  it('keys given as one text are taken as they are, spaces and all', () => {
    expect(decodeProperties(encode({ keys: 'k1 k2' }).properties).KEYS).toBe('k1 k2')
  })

  it.each([undefined, null, 'text', 7])('a message may not be %j', (message) => {
    expect(refusal(() => toOutgoingMessage(message as never, MAX_SIZE, ids)).message).toContain('message is')
  })

  it("leave the caller's object as it is, which may be frozen", () => {
    const message = Object.freeze({ topic: 'T', body: 'x', properties: Object.freeze({ a: 'b' }) })
    expect(() => toOutgoingMessage(message, MAX_SIZE, ids)).not.toThrow()
  })
})

describe('a batch', () => {
  const batch = (messages: unknown, maxMessageSize = MAX_SIZE) => toBatch(messages as Message[], maxMessageSize, ids)
  const message = (fields: Record<string, unknown> = {}) => ({ topic: 'T', body: 'x', ...fields })
  const partsOf = (body: Uint8Array) => decodeBatch(Buffer.from(body))

  it('gives every message an id of its own, and names them in its own', () => {
    const { body, uniqKey } = batch([message(), message(), message()])
    const partIds = partsOf(body).map((part) => decodeProperties(part.rawProperties.toString()).UNIQ_KEY)
    expect(new Set(partIds).size).toBe(3)
    expect(uniqKey).toBe(partIds.join(','))
  })

  it('may be one message', () => {
    expect(partsOf(batch([message()]).body)).toHaveLength(1)
  })

  it.each([Buffer.from('before'), new Uint8Array(Buffer.from('before'))])(
    'has copies of the bodies: what the caller does with them afterwards changes nothing',
    (body) => {
      const given = batch([message({ body }), message({ body: 'text' })])
      body.fill(0)
      expect(partsOf(given.body).map((part) => part.body.toString())).toEqual(['before', 'text'])
    },
  )

  it.each([[], undefined, null, message(), 'text'])('must be a list with at least one message: not %j', (messages) => {
    expect(refusal(() => batch(messages)).message).toContain('a list with at least one')
  })

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['has another topic', { topic: 'U' }, /has the topic U, the first one T/],
    ['waits otherwise', { waitStoreMsgOk: false }, /differs from the first one in waitStoreMsgOk/],
    ['is delayed by level', { delayLevel: 1 }, /delayed/],
    ['is delayed by time', { delayMs: 1 }, /delayed/],
    ['is to be delivered later', { deliverAt: 1 }, /delayed/],
    ['has no body', { body: '' }, /length zero/],
    ['has a bad property', { properties: { KEYS: 'x' } }, /KEYS/],
    ['has too many properties', { properties: { p: 'x'.repeat(32_768) } }, /32767 are allowed/],
  ])('refuses a message that %s, and says which one it is', (_what, fields, problem) => {
    const error = refusal(() => batch([message(), message(), message(fields)]))
    expect(error.message).toMatch(problem)
    expect(error.message).toContain('message 2 of the batch')
  })

  it('refuses messages for a retry topic', () => {
    expect(refusal(() => batch([message({ topic: '%RETRY%g' })])).message).toContain('retry topic')
  })

  it('may take maxMessageSize bytes as it goes over the wire, and not one more', () => {
    const parts = [message({ body: 'a'.repeat(100) }), message({ body: 'b'.repeat(200) })]
    const size = batch(parts).body.length
    expect(partsOf(batch(parts, size).body)).toHaveLength(2)
    const error = refusal(() => batch(parts, size - 1))
    expect(error.code).toBe('MESSAGE_TOO_LARGE')
    expect(error.message).toContain(`${size} bytes, ${size - 1} are allowed`)
  })
})

function sharedBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(text.length))
  bytes.set(Buffer.from(text))
  return bytes
}
