import { describe, expect, it } from 'vitest'
import { decodeBatch } from '../../src/codec/batch-codec.js'
import { UniqueIdGenerator } from '../../src/codec/message-id.js'
import { decodeProperties } from '../../src/codec/properties.js'
import { ClientError, RemotingError } from '../../src/errors.js'
import type { Message, MessageQueue } from '../../src/message/message.js'
import { batchOf, MAX_BATCH_COUNT, MAX_PART_PROPERTIES_LENGTH, partSize, toBatch } from '../../src/producer/batch.js'
import { type BatchesSender, sendBatches, splitBatch } from '../../src/producer/batch-split.js'
import { type OutgoingMessage, toOutgoingMessage } from '../../src/producer/outgoing-message.js'
import type { SendTarget } from '../../src/producer/parts-sender.js'
import type { SendResult } from '../../src/producer/send-result.js'
import { rejectionOf, until } from '../support/until.js'

const MAX_SIZE = 1000
const ids = new UniqueIdGenerator()
const queueOfId = (queueId: number): MessageQueue => ({ topic: 'T', brokerName: 'broker-a', queueId })

const outgoing = (fields: Partial<Message> = {}): OutgoingMessage =>
  toOutgoingMessage({ topic: 'T', body: 'x', ...fields }, 4 * 1024 * 1024, ids)

const indexesOf = (messages: readonly OutgoingMessage[], maxMessageSize = MAX_SIZE) =>
  splitBatch(messages, maxMessageSize).map((part) => part.indexes)

describe('splitBatch', () => {
  it('makes no part of no messages', () => {
    expect(splitBatch([], MAX_SIZE)).toEqual([])
  })

  it('keeps together what fits, to the byte, and not one byte more', () => {
    const messages = [outgoing({ body: 'a'.repeat(100) }), outgoing({ body: 'ü'.repeat(50) }), outgoing()]
    const size = messages.reduce((sum, message) => sum + partSize(message), 0)
    expect(batchOf(messages, ids).body).toHaveLength(size)
    expect(indexesOf(messages, size)).toEqual([[0, 1, 2]])
    expect(indexesOf(messages, size - 1)).toEqual([[0, 1], [2]])
  })

  it('lets a message go alone that fits into no batch, and goes on behind it', () => {
    const messages = [outgoing(), outgoing({ body: 'y'.repeat(MAX_SIZE) }), outgoing(), outgoing()]
    expect(indexesOf(messages)).toEqual([[0], [1], [2, 3]])
  })

  it('makes no part of more messages than the answer to it can name', () => {
    const messages = Array.from({ length: MAX_BATCH_COUNT + 1 }, () => outgoing())
    expect(indexesOf(messages, 1e9).map((part) => part.length)).toEqual([MAX_BATCH_COUNT, 1])
  })

  it('puts messages of one topic together, in the order of their first ones', () => {
    const topics = ['B', 'A', 'B', 'C', 'A', 'B']
    expect(
      splitBatch(
        topics.map((topic) => outgoing({ topic })),
        MAX_SIZE,
      ),
    ).toEqual([
      { topic: 'B', indexes: [0, 2, 5], queue: undefined },
      { topic: 'A', indexes: [1, 4], queue: undefined },
      { topic: 'C', indexes: [3], queue: undefined },
    ])
  })

  it('puts messages of one queue together', () => {
    const queues = [queueOfId(0), undefined, queueOfId(1), queueOfId(0), queueOfId(1), undefined]
    const parts = splitBatch(
      queues.map(() => outgoing()),
      MAX_SIZE,
      (index) => queues[index],
    )
    expect(parts).toEqual([
      { topic: 'T', indexes: [0, 3], queue: queueOfId(0) },
      { topic: 'T', indexes: [1, 5], queue: undefined },
      { topic: 'T', indexes: [2, 4], queue: queueOfId(1) },
    ])
  })

  it.each<[string, Partial<Message>, Partial<Message>]>([
    ['waitStoreMsgOk changes', { waitStoreMsgOk: false }, {}],
    ['waitStoreMsgOk changes back', {}, { waitStoreMsgOk: false }],
  ])('cuts where %s, so that the order stays', (_what, fields, others) => {
    const messages = [others, others, fields, fields, others].map((each) => outgoing(each))
    expect(indexesOf(messages)).toEqual([[0, 1], [2, 3], [4]])
  })

  it.each<[string, Partial<Message>]>([
    ['delayed by level', { delayLevel: 3 }],
    ['delayed by time', { delayMs: 3 }],
    ['to be delivered later', { deliverAt: 3 }],
    ['of a priority', { priority: 3 }],
    ['with properties that brokers would write too long', { properties: { p: 'x'.repeat(32_100) } }],
  ])('lets messages go one by one that are %s', (_what, fields) => {
    const messages = [outgoing(), outgoing(), outgoing(fields), outgoing(fields), outgoing(), outgoing()]
    expect(indexesOf(messages, 1e6)).toEqual([[0, 1], [2], [3], [4, 5]])
  })

  it('lets messages for retry topics go one by one', () => {
    const messages = Array.from({ length: 3 }, () => outgoing({ topic: '%RETRY%g' }))
    expect(indexesOf(messages)).toEqual([[0], [1], [2]])
  })

  it('loses and repeats nothing, keeps the order and every limit, whatever comes', () => {
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff
      return (seed >> 8) % below
    }
    const messages = Array.from({ length: 3000 }, () => {
      const fields: Partial<Message> = { topic: `T${random(5)}`, body: 'x'.repeat(1 + random(500)) }
      if (random(20) === 0) fields.delayLevel = 1
      if (random(10) === 0) fields.waitStoreMsgOk = false
      return outgoing(fields)
    })
    const parts = splitBatch(messages, MAX_SIZE)
    for (const { topic, indexes } of parts) {
      const own = indexes.map((index) => messages[index] as OutgoingMessage)
      expect(own.every((message) => message.topic === topic)).toBe(true)
      expect(new Set(own.map((message) => message.waitStoreMsgOk)).size).toBe(1)
      if (own.length === 1) continue
      expect(own.some((message) => message.isDelayed)).toBe(false)
      expect(own.reduce((sum, message) => sum + partSize(message), 0)).toBeLessThanOrEqual(MAX_SIZE)
    }
    for (let t = 0; t < 5; t++) {
      const own = parts.filter((part) => part.topic === `T${t}`).flatMap((part) => part.indexes)
      const expected = messages.flatMap((message, index) => (message.topic === `T${t}` ? index : []))
      expect(own).toEqual(expected)
    }
  })
})

/** Answers with a result for each request, unless its script throws; remembers what it was asked. */
class FakeSender implements BatchesSender {
  readonly log: string[] = []
  readonly targets: SendTarget[] = []
  atOnce = 0
  mostAtOnce = 0
  script: (bodies: string[]) => void | Promise<void> = () => undefined
  chooser: BatchesSender['queueChooser'] = async () => () => undefined

  encode(message: Message): OutgoingMessage {
    return toOutgoingMessage(message, MAX_SIZE, ids)
  }

  queueChooser(...parameters: Parameters<BatchesSender['queueChooser']>): ReturnType<BatchesSender['queueChooser']> {
    return this.chooser(...parameters)
  }

  sendParts(parts: readonly OutgoingMessage[], messages: readonly Message[], target: SendTarget): Promise<SendResult> {
    expect(messages.map((message) => message.body)).toEqual(parts.map((part) => part.body.toString()))
    return this.#send('parts', parts, target)
  }

  sendOne(part: OutgoingMessage, _message: Message, target: SendTarget): Promise<SendResult> {
    return this.#send('one', [part], target)
  }

  async #send(how: string, parts: readonly OutgoingMessage[], target: SendTarget): Promise<SendResult> {
    const bodies = parts.map((part) => part.body.toString())
    this.log.push(`${how} ${parts[0]?.topic} ${bodies.join()}`)
    this.targets.push(target)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
    try {
      await this.script(bodies)
    } finally {
      this.atOnce--
    }
    return {
      sendStatus: 'SEND_OK',
      msgId: parts.map((part) => part.uniqKey).join(),
      offsetMsgId: bodies.join(),
      messageQueue: target.queue ?? queueOfId(0),
      queueOffset: 0,
    }
  }
}

const message = (topic: string, body: string, more: Partial<Message> = {}): Message => ({ topic, body, ...more })
const limits = { maxMessageSize: MAX_SIZE, timeout: 3000, signal: undefined }

describe('sendBatches', () => {
  it('sends what it split, and reports each part with the places of its messages', async () => {
    const sender = new FakeSender()
    const parts = await sendBatches(
      [message('A', '0'), message('B', '1'), message('A', '2'), message('A', '3', { delayLevel: 1 })],
      limits,
      sender,
    )
    expect(sender.log.sort()).toEqual(['one A 3', 'one B 1', 'parts A 0,2'])
    expect(parts).toMatchObject([
      { topic: 'A', indexes: [0, 2], result: { sendStatus: 'SEND_OK', offsetMsgId: '0,2' } },
      { topic: 'B', indexes: [1], result: { offsetMsgId: '1' } },
      { topic: 'A', indexes: [3], result: { offsetMsgId: '3' } },
    ])
    expect(parts.map((part) => 'error' in part)).toEqual([false, false, false])
  })

  it('has nothing to send of an empty list', async () => {
    expect(await sendBatches([], limits, new FakeSender())).toEqual([])
  })

  it('sends the parts of one topic one after the other, and a few topics side by side', async () => {
    const sender = new FakeSender()
    const open: (() => void)[] = []
    sender.script = () => new Promise((resolve) => void open.push(resolve))
    const big = 'x'.repeat(800)
    const list = Array.from({ length: 24 }, (_, i) => message(`T${i % 12}`, `${i}${big}`))
    const done = sendBatches(list, limits, sender)
    const topicsOf = () => sender.log.map((line) => line.split(' ')[1])
    await until(() => sender.log.length === 8)
    expect(new Set(topicsOf()).size).toBe(8)
    while (sender.log.length < 24 || open.length > 0) {
      await until(() => open.length > 0)
      open.shift()?.()
    }
    const parts = await done
    expect(sender.mostAtOnce).toBe(8)
    expect(parts.map((part) => part.indexes)).toEqual(list.map((_, i) => [i]))
    for (let t = 0; t < 12; t++) {
      const order = sender.log
        .filter((line) => line.startsWith(`one T${t} `))
        .map((line) => Number.parseInt(line.split(' ')[2] ?? '', 10))
      expect(order).toEqual([t, t + 12])
    }
  })

  it('reports the part that fails, and sends what comes behind it', async () => {
    const sender = new FakeSender()
    const failure = new RemotingError('TIMEOUT', 'no answer', { address: 'a:1' })
    sender.script = ([body]) => {
      if (body?.startsWith('1')) throw failure
    }
    const big = 'x'.repeat(500)
    const parts = await sendBatches(
      [0, 1, 2].map((i) => message('A', `${i}${big}`)),
      limits,
      sender,
    )
    expect(parts).toMatchObject([{ indexes: [0], result: {} }, { indexes: [1] }, { indexes: [2], result: {} }])
    expect(parts[1]?.error).toBe(failure)
    expect(parts[1]?.result).toBeUndefined()
  })

  it('reports all messages of a topic that has no route, and sends the other topics', async () => {
    const sender = new FakeSender()
    const failure = new ClientError('TOPIC_NOT_FOUND', 'none')
    sender.chooser = async (topic) => {
      if (topic === 'B') throw failure
      return () => undefined
    }
    const list = ['A', 'B', 'A', 'B'].map((topic, i) => message(topic, `${i}`))
    const parts = await sendBatches(list, limits, sender)
    expect(parts).toMatchObject([
      { topic: 'A', indexes: [0, 2] },
      { topic: 'B', indexes: [1, 3] },
    ])
    expect(parts[1]?.error).toBe(failure)
    expect(sender.log).toEqual(['parts A 0,2'])
  })

  it('sends each message to the queue that is chosen for it', async () => {
    const sender = new FakeSender()
    sender.chooser = async () => (outgoing, given) => {
      expect(given.body).toBe(outgoing.body.toString())
      return given.shardingKey === undefined ? undefined : queueOfId(Number(given.shardingKey))
    }
    const keys = ['1', '2', undefined, '1', '2']
    const list = keys.map((shardingKey, i) => message('T', `${i}`, shardingKey === undefined ? {} : { shardingKey }))
    const parts = await sendBatches(list, limits, sender)
    expect(parts.map((part) => part.indexes)).toEqual([[0, 3], [1, 4], [2]])
    expect(sender.targets.map((target) => target.queue)).toEqual([queueOfId(1), queueOfId(2), undefined])
  })

  it('reports what was left when its signal fired', async () => {
    const sender = new FakeSender()
    const controller = new AbortController()
    sender.script = () => controller.abort()
    const big = 'x'.repeat(800)
    const list = [0, 1, 2].map((i) => message('A', `${i}${big}`))
    const parts = await sendBatches(list, { ...limits, signal: controller.signal }, sender)
    expect(parts).toMatchObject([
      { indexes: [0], result: {} },
      { indexes: [1], error: { code: 'ABORTED' } },
      { indexes: [2], error: { code: 'ABORTED' } },
    ])
    expect(sender.log).toHaveLength(1)
  })

  it.each<[string, unknown, string, RegExp]>([
    ['no list', message('A', 'x'), 'INVALID_ARGUMENT', /messages of sendBatches is \{.*a list is expected/],
    ['no list at all', undefined, 'INVALID_ARGUMENT', /undefined, a list is expected/],
    ['a bad topic', [message('A', 'x'), message('a b', 'x')], 'INVALID_ARGUMENT', /message 1 of the batch/],
    ['no message', [message('A', 'x'), message('A', 'x'), null], 'INVALID_ARGUMENT', /message 2 of the batch/],
    ['a body too large', [message('A', 'x'.repeat(MAX_SIZE + 1))], 'MESSAGE_TOO_LARGE', /message 0 of the batch/],
    ['an empty body', [message('B', 'x'), message('A', '')], 'INVALID_ARGUMENT', /message 1 of the batch.*length zero/],
  ])('refuses %s before anything is sent', async (_what, list, code, problem) => {
    const sender = new FakeSender()
    const error = await rejectionOf(sendBatches(list as Message[], limits, sender))
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch(problem)
    expect(sender.log).toEqual([])
  })
})

describe('a batch', () => {
  const batchIdAndTags = (parts: readonly Partial<Message>[]) => {
    const { propertiesWithBatchId } = batchOf(
      parts.map((part) => outgoing(part)),
      ids,
    )
    return propertiesWithBatchId === undefined ? undefined : decodeProperties(propertiesWithBatchId)
  }

  it('has the tags that all its messages share, by which topics filter that store it as one message', () => {
    expect(batchIdAndTags([{ tags: 'A' }, { tags: 'A' }])).toMatchObject({ TAGS: 'A', WAIT: 'true' })
    expect(batchIdAndTags([{}, {}])).toEqual({ UNIQ_KEY: expect.any(String), WAIT: 'true' })
  })

  it('has no id of its own where tags differ, so that its messages are stored one by one with theirs', () => {
    expect(batchIdAndTags([{ tags: 'A' }, { tags: 'B' }])).toBeUndefined()
    expect(batchIdAndTags([{ tags: 'A' }, {}])).toBeUndefined()
    expect(batchIdAndTags([{}, { tags: 'A' }])).toBeUndefined()
  })

  it('holds its messages as they are', () => {
    const parts = [outgoing({ body: 'one', flag: 4 }), outgoing({ body: 'zwei ü', tags: 'A' })]
    const batch = batchOf(parts, ids)
    expect(batch).toMatchObject({ topic: 'T', isBatch: true, uniqKey: `${parts[0]?.uniqKey},${parts[1]?.uniqKey}` })
    const decoded = decodeBatch(Buffer.from(batch.body))
    expect(decoded.map(({ flag, body, rawProperties }) => [flag, body.toString(), rawProperties.toString()])).toEqual(
      parts.map((part) => [part.flag, part.body.toString(), part.properties]),
    )
  })

  it.each<[string, Partial<Message>[], number, RegExp]>([
    ['a message with a priority', [{}, { priority: 1 }], 1e6, /message 1 of the batch has a priority/],
    [
      'a message with properties that brokers would write too long',
      [{ properties: { p: 'ü'.repeat(MAX_PART_PROPERTIES_LENGTH / 2) } }],
      1e6,
      /message 0 of the batch has properties of more than 32000 bytes/,
    ],
    ['more than fits', [{ body: 'x'.repeat(90) }], 100, /takes \d+ bytes, 100 are allowed.*use sendBatches/],
    [
      'more messages than the answer can name',
      Array.from({ length: MAX_BATCH_COUNT + 1 }, () => ({})),
      1e9,
      /has 10001 messages, 10000 are allowed/,
    ],
  ])('refuses %s', (_what, fields, maxMessageSize, problem) => {
    const messages = fields.map((each) => message('T', 'x', each))
    expect(() => toBatch(messages, maxMessageSize, ids)).toThrow(problem)
  })
})
