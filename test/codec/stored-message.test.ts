import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { decodeAll, type StoredSpec, storedBytes } from './stored-bytes.js'

async function stored(spec: StoredSpec): Promise<StoredMessage> {
  const [message] = await decodeAll(storedBytes(spec))
  if (message === undefined) throw new Error('no message')
  return message
}

const PROPERTIES = 'KEYS\u0001k1  k2\u0002TAGS\u0001TagA\u0002UNIQ_KEY\u0001ID\u0002__proto__\u0001p\u0002'

describe('StoredMessage', () => {
  it('gives tags, keys and ids of its properties', async () => {
    const message = await stored({ properties: PROPERTIES })
    expect([message.tags, message.keys, message.msgId]).toEqual(['TagA', ['k1', 'k2'], 'ID'])
    expect(message.offsetMsgId).toBe('C000020A0000D43100000000000003E8')
    expect([message.bornHost, message.storeHost]).toEqual(['192.0.2.10:54321', '192.0.2.10:54321'])
  })

  it('gives neither tags nor keys where there are none, and the offset id as its id', async () => {
    const message = await stored({ properties: '' })
    expect([message.tags, message.keys]).toEqual([undefined, []])
    expect(message.msgId).toBe(message.offsetMsgId)
    expect(Object.keys(message.properties)).toEqual([])
  })

  it('finds a property before and after all of them were read', async () => {
    const message = await stored({ properties: PROPERTIES })
    const names = ['TAGS', 'KEYS', '__proto__', 'constructor', 'toString', 'none']
    const found = names.map((name) => message.property(name))
    expect(found).toEqual(['TagA', 'k1  k2', 'p', undefined, undefined, undefined])
    expect(Object.keys(message.properties)).toHaveLength(4)
    expect(names.map((name) => message.property(name))).toEqual(found)
  })

  it.each([false, true])(
    'adds what the client knows, over what is stored (properties read before: %s)',
    async (isRead) => {
      const message = await stored({ properties: 'MIN_OFFSET\u0001stored\u0002TAGS\u0001TagA\u0002' })
      if (isRead) expect(message.properties.MIN_OFFSET).toBe('stored')
      message.addProperties({ MIN_OFFSET: '1', MAX_OFFSET: '9' })
      message.addProperties({ MAX_OFFSET: '10' })
      expect(['MIN_OFFSET', 'MAX_OFFSET', 'TAGS', 'constructor'].map((name) => message.property(name))).toEqual([
        '1',
        '10',
        'TagA',
        undefined,
      ])
      expect({ ...message.properties }).toEqual({ MIN_OFFSET: '1', MAX_OFFSET: '10', TAGS: 'TagA' })
    },
  )

  it('shares added properties among messages without mixing up later ones', async () => {
    const first = await stored({ properties: '' })
    const second = await stored({ properties: '' })
    const range = { MIN_OFFSET: '0' }
    first.addProperties(range)
    second.addProperties(range)
    first.addProperties({ only: 'first' })
    expect(second.property('only')).toBeUndefined()
    expect(range).toEqual({ MIN_OFFSET: '0' })
  })

  it.each([false, true])('tells when a handler got it (properties read before: %s)', async (isRead) => {
    const message = await stored({ properties: 'CONSUME_START_TIME\u0001stored\u0002' })
    if (isRead) expect(message.properties.CONSUME_START_TIME).toBe('stored')
    message.startConsume(1_700_000_000_000)
    message.startConsume(1_700_000_000_001)
    expect(message.property('CONSUME_START_TIME')).toBe('1700000000001')
    expect(message.properties.CONSUME_START_TIME).toBe('1700000000001')
  })

  it('gives properties that inherit no name and print as a plain object', async () => {
    const { properties } = await stored({ properties: PROPERTIES })
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) expect(name in properties).toBe(false)
    expect(Object.keys(properties)).toContain('__proto__')
    expect(inspect(properties)).toBe(inspect({ ...properties }))
  })

  it('shows itself with all it says, as JSON and in the console', async () => {
    const message = await stored({ properties: PROPERTIES, topic: 'Shown' })
    const json = JSON.parse(JSON.stringify(message)) as Record<string, unknown>
    expect(json).toMatchObject({
      topic: 'Shown',
      msgId: 'ID',
      tags: 'TagA',
      keys: ['k1', 'k2'],
      queueOffset: 7,
      storeHost: '192.0.2.10:54321',
    })
    expect(inspect(message)).toMatch(/^MessageExt \{/)
    expect(inspect(message)).toContain("topic: 'Shown'")
  })

  it('hands on its fields to a message derived from it, but for those that differ', async () => {
    const message = await stored({ properties: PROPERTIES })
    message.addProperties({ MIN_OFFSET: '3' })
    const derived = message.derive({ queueOffset: 99 }, Buffer.from('other'))
    expect(derived.toStoredFields()).toEqual({ ...message.toStoredFields(), queueOffset: 99 })
    expect([derived.body.toString(), derived.tags, derived.storeHost]).toEqual(['other', 'TagA', message.storeHost])
    expect(derived.properties.MIN_OFFSET).toBe('3')
  })
})
