import { encodeBatch } from '../../src/codec/batch-codec.js'
import { ByteReader } from '../../src/codec/byte-reader.js'
import { ByteWriter } from '../../src/codec/byte-writer.js'
import { FrameDecoder, writeFrameHeader } from '../../src/codec/frame.js'
import { readStoredMessage } from '../../src/codec/message-codec.js'
import { UniqueIdGenerator } from '../../src/codec/message-id.js'
import { encodeProperties } from '../../src/codec/properties.js'
import type { RemotingCommand, SerializeType } from '../../src/codec/remoting-command.js'
import { AclSigner } from '../../src/remoting/acl-signer.js'
import { pullMessage } from '../../src/remoting/commands/pull.js'
import { sendMessage } from '../../src/remoting/commands/send.js'
import { bodyOf, TAGS } from '../clients/job.js'
import { encodeStoredMessage } from '../raw/encode-stored-message.js'
import { encodeBinaryFrame, encodeJsonFrame, type RawFields } from '../raw/raw-frame.js'
import { sizeName } from '../workloads.js'
import type { Case } from './micro-case.js'
import { readFully } from './read-fully.js'

/** Frames of one tick of a busy connection. */
export const FRAMES = 64
/** Messages of one pull. */
export const PULLED = 32
export const TOPIC = 'order-events'
const CREDENTIALS = { accessKey: 'order-service', secretKey: 'a-secret-key-0001' }
/** ali-ons decodes everything at once. */
export const DECODE_FULLY = 'decode a stored message and read all of it'
const RESPONSE_BIT_AT = { json: '"flag":0', binary: 17 } as const

/** What is timed, in the order of the table. */
export function codecCases(): Case[] {
  return [
    ...[128, 1024].flatMap((size) => [
      encodeSend('ROCKETMQ', size),
      encodeSend('JSON', size),
      encodeSend('ROCKETMQ', size, new AclSigner(CREDENTIALS)),
    ]),
    encodeStored(128),
    encodeStored(1024),
    decodeSendAnswers('JSON'),
    decodeSendAnswers('ROCKETMQ'),
    ...[128, 1024].flatMap((size) => [decodePullAnswer(size), decodeStored(size, false), decodeStored(size, true)]),
  ]
}

/** From a message's parts to the bytes that are written: id, properties, header and a copy of the body. */
function encodeSend(type: SerializeType, size: number, signer?: AclSigner): Case {
  const writer = new ByteWriter()
  const ids = new UniqueIdGenerator()
  const payload = bodyOf(size)
  const body = (): void => {
    for (let opaque = 0; opaque < FRAMES; opaque++) {
      const properties = encodeProperties({ UNIQ_KEY: ids.next(), TAGS, WAIT: 'true' })
      const header = sendHeader(opaque & 7, properties)
      writeFrameHeader(
        writer,
        type,
        { code: sendMessage.code, opaque, flag: 0 },
        sendMessage.request,
        header,
        payload,
        signer,
      )
      writer.bytes(payload)
    }
    writer.take()
    writer.reuse()
  }
  const signed = signer === undefined ? '' : 'signed '
  const name = `encode a ${signed}send request${headerOf(type)}, ${sizeName(size)}`
  return { name, by: 'rocketmq-remoting', operations: FRAMES, body }
}

/** A literal, as in the producer: a spread would cost more than the encoding. */
export function sendHeader(queueId: number, properties: string) {
  return {
    producerGroup: 'order-service',
    topic: TOPIC,
    defaultTopic: 'TBW102',
    defaultTopicQueueNums: 4,
    queueId,
    sysFlag: 0,
    bornTimestamp: Date.now(),
    flag: 0,
    properties,
    reconsumeTimes: 0,
    unitMode: false,
    batch: false,
    brokerName: 'broker-a',
  }
}

/** From messages to the body of a batch, which is made of stored messages in short. */
function encodeStored(size: number): Case {
  const ids = new UniqueIdGenerator()
  const payload = bodyOf(size)
  const parts = Array.from({ length: PULLED }, () => ({
    body: payload,
    flag: 0,
    properties: encodeProperties({ UNIQ_KEY: ids.next(), TAGS, WAIT: 'true' }),
  }))
  const body = (): void => void encodeBatch(parts)
  return { name: `encode a message of a batch, ${sizeName(size)}`, by: 'rocketmq-remoting', operations: PULLED, body }
}

/** From a chunk with many answers to their typed headers. */
function decodeSendAnswers(type: SerializeType): Case {
  const fields = { msgId: '7F00000100002A9F00000000000F4240', queueId: 3, queueOffset: 123_456, traceOn: 'true' }
  const chunk = Buffer.concat(Array.from({ length: FRAMES }, (_, opaque) => answer(type, opaque, fields)))
  const decoder = new FrameDecoder()
  const onFrame = (frame: RemotingCommand): void => void sendMessage.response.read(frame)
  const body = (): void => decoder.push(chunk, onFrame)
  return { name: `decode the answer to a send${headerOf(type)}`, by: 'rocketmq-remoting', operations: FRAMES, body }
}

/** From a chunk to the header and the undecoded body. */
function decodePullAnswer(size: number): Case {
  const fields = { suggestWhichBrokerId: 0, nextBeginOffset: 123_456, minOffset: 0, maxOffset: 200_000 }
  const chunk = answer('JSON', 1, fields, storedBatch(size))
  const decoder = new FrameDecoder()
  const onFrame = (frame: RemotingCommand): void => void pullMessage.response.read(frame)
  const body = (): void => decoder.push(chunk, onFrame)
  const name = `decode the frame of a pull answer, ${PULLED} × ${sizeName(size)}`
  return { name, by: 'rocketmq-remoting', operations: 1, body }
}

/** One stored message with its CRC check; `isFull` reads hosts, ids and properties too, which are decoded on first use. */
function decodeStored(size: number, isFull: boolean): Case {
  const stored = storedBatch(size)
  const options = { brokerName: 'broker-a', maxBodySize: 4 * 1024 * 1024 }
  const body = (): void => {
    const reader = new ByteReader(stored, 'MESSAGE_MALFORMED')
    while (reader.remaining > 0) {
      const message = readStoredMessage(reader, options)
      if (isFull) readFully(message)
    }
  }
  const what = isFull ? DECODE_FULLY : 'decode a stored message'
  return { name: `${what}, ${sizeName(size)}`, by: 'rocketmq-remoting', operations: PULLED, body }
}

/** Messages as a broker answers a pull with them. */
export function storedBatch(size: number): Buffer {
  const ids = new UniqueIdGenerator()
  const messages = Array.from({ length: PULLED }, (_, offset) => {
    const properties = encodeProperties({ UNIQ_KEY: ids.next(), TAGS, KEYS: `order-${offset}`, WAIT: 'true' })
    return encodeStoredMessage(TOPIC, offset, bodyOf(size), properties)
  })
  return Buffer.concat(messages)
}

function answer(type: SerializeType, opaque: number, fields: RawFields, body?: Buffer): Buffer {
  if (type === 'JSON') {
    const frame = encodeJsonFrame(0, opaque, fields, body)
    frame.write('1', frame.indexOf(RESPONSE_BIT_AT.json) + RESPONSE_BIT_AT.json.length - 1)
    return frame
  }
  const frame = encodeBinaryFrame(0, opaque, fields, body)
  frame.writeInt32BE(1, RESPONSE_BIT_AT.binary)
  return frame
}

/** The binary header is what this client sends, so that it needs no word. */
function headerOf(type: SerializeType): string {
  return type === 'JSON' ? ', JSON header' : ''
}
