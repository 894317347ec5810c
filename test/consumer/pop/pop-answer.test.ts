import { describe, expect, it } from 'vitest'
import { decodeMessages } from '../../../src/codec/message-codec.js'
import { receivedMessages } from '../../../src/consumer/pop/pop-answer.js'
import { fromHex, golden } from '../../codec/golden.js'
import { storedMessage } from '../../support/stored-message-bytes.js'
import { rejectionOf } from '../../support/until.js'

interface AnsweredMessage {
  readonly topic: string
  readonly queueId: number
  readonly queueOffset: number
  readonly brokerName: string
  readonly reconsumeTimes: number
  readonly popCk: string
  readonly firstPopTime: string
}

interface AnswerCase {
  readonly note: string
  readonly namespace: string
  readonly fields: Readonly<Record<string, string>>
  readonly hex: string
  /** Null: Java can't read it. */
  readonly messages: readonly AnsweredMessage[] | null
}

const cases = golden<AnswerCase>('pop-answers')
const OPTIONS = { brokerName: 'broker-a', maxBodySize: 1024 }
const TARGET = { topic: 'T', brokerName: 'broker-a' }

async function read(body: Buffer, fields: Readonly<Record<string, string>>) {
  const { messages } = await decodeMessages(body, OPTIONS)
  const { startOffsetInfo, msgOffsetInfo, orderCountInfo } = fields
  const numbers = { popTime: Number(fields.popTime), invisibleTime: Number(fields.invisibleTime), reviveQid: 2 }
  return receivedMessages(messages, { ...numbers, startOffsetInfo, msgOffsetInfo, orderCountInfo }, TARGET)
}

const FIELDS = { popTime: '1700000000000', invisibleTime: '60000' }

describe('an answer to a pop', () => {
  it('that tells offsets of very many queues, but not of its message, is refused with some of them', async () => {
    const startOffsetInfo = Array.from({ length: 20_000 }, (_, i) => `0 ${i + 1} 0`).join(';')
    const error = await rejectionOf(read(storedMessage({ queueOffset: 5 }), { ...FIELDS, startOffsetInfo }))
    expect(error).toMatchObject({ code: 'HEADER_MALFORMED' })
    expect(error.message).toContain("no offset of its queue, but of 20000 others: [ '0 1', '0 2'")
    expect(error.message.length).toBeLessThan(400)
  })

  it.each(cases.filter(({ messages }) => messages !== null))(
    'gives the messages and receipts that Java makes of it: $note (namespace "$namespace")',
    async ({ fields, hex, messages }) => {
      const received = await read(fromHex(hex), fields)
      expect(
        received.map(({ message }) => ({
          topic: message.topic,
          queueId: message.queueId,
          queueOffset: message.queueOffset,
          brokerName: message.brokerName,
          reconsumeTimes: message.reconsumeTimes,
          popCk: message.properties.POP_CK,
          firstPopTime: message.properties['1ST_POP_TIME'],
        })),
      ).toEqual(messages)
    },
  )

  it.each(cases.filter(({ messages }) => messages === null))(
    'can not be read, as Java can not read it: $note (namespace "$namespace")',
    async ({ fields, hex }) => {
      await expect(read(fromHex(hex), fields)).rejects.toMatchObject({ code: 'HEADER_MALFORMED' })
    },
  )

  it.each(['7 1600000000000 60000 2 0 broker-a 3 7', 'nonsense'])(
    'does not take the receipt %j that a message brings from elsewhere for one of this pop',
    async (popCk) => {
      const body = storedMessage({ queueId: 3, queueOffset: 8, properties: { POP_CK: popCk } })
      const [received] = await read(body, { ...FIELDS, startOffsetInfo: '0 3 5', msgOffsetInfo: '0 3 8' })
      expect(received?.message.properties.POP_CK).toBe('5 1700000000000 60000 2 0 broker-a 3 8')
    },
  )

  it('finds the retry topic of a message with a foreign receipt by its offset', async () => {
    const properties = { POP_CK: '7 1600000000000 60000 2 0 broker-a 3 7' }
    const body = storedMessage({ queueId: 0, queueOffset: 8, properties })
    const [received] = await read(body, { ...FIELDS, startOffsetInfo: '0 0 5;1 0 6', msgOffsetInfo: '0 0 5;1 0 7,8' })
    expect(received?.receipt).toMatchObject({ retry: '1', ckQueueOffset: 6, queueOffset: 8 })
  })

  it('is refused when a message with a foreign receipt is at none of its offsets', async () => {
    const body = storedMessage({ queueId: 0, queueOffset: 8, properties: { POP_CK: 'nonsense' } })
    const fields = { ...FIELDS, startOffsetInfo: '0 0 5', msgOffsetInfo: '0 0 5' }
    await expect(read(body, fields)).rejects.toMatchObject({ code: 'HEADER_MALFORMED' })
  })

  it('takes the offset of a message for which the broker tells none, so that it can be acknowledged', async () => {
    const body = Buffer.concat([storedMessage({ queueOffset: 5 }), storedMessage({ queueOffset: 6 })])
    const received = await read(body, { ...FIELDS, startOffsetInfo: '0 0 5', msgOffsetInfo: '0 0 5' })
    expect(received.map(({ receipt }) => receipt.queueOffset)).toEqual([5, 6])
  })
})
