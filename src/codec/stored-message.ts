import { inspect } from 'node:util'
import type { MessageExt } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import { formatHost, formatOffsetMsgId } from './message-id.js'
import { decodeProperties, findProperty, type Properties } from './properties.js'

/** What is read of a message at once, and what an inner batch hands on to its parts. */
export type StoredFields = Omit<
  MessageExt,
  'body' | 'tags' | 'keys' | 'properties' | 'msgId' | 'offsetMsgId' | 'bornHost' | 'storeHost'
>

/**
 * The stored bytes, and where in them lies what is read when it is first asked for. Views of them, made for each message, would cost as much as all its numbers.
 *
 * It is a class, since V8 remembers of an object literal whether what it made lived long: a consumer that begins with many full queues has it make them long-lived for good
 * ("pretenuring"), each with its message, and the garbage collector then has ten times as much to do.
 */
export class StoredSource {
  readonly bytes: Buffer
  readonly bornHostAt: number
  readonly storeHostAt: number
  readonly propertiesAt: number
  readonly propertiesEnd: number

  constructor(bytes: Buffer, bornHostAt: number, storeHostAt: number, propertiesAt: number, propertiesEnd: number) {
    this.bytes = bytes
    this.bornHostAt = bornHostAt
    this.storeHostAt = storeHostAt
    this.propertiesAt = propertiesAt
    this.propertiesEnd = propertiesEnd
  }
}

/** Bytes of an IP as it is stored. Four bytes of its port follow. */
export function ipLength(sysFlag: number, v6Flag: number): 4 | 16 {
  return (sysFlag & v6Flag) === 0 ? 4 : 16
}

/**
 * A decoded message. Hosts, ids and properties are made of the stored bytes when they are first asked for, because most
 * consumers read one or two of them.
 */
export class StoredMessage implements MessageExt {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
  readonly queueOffset: number
  readonly commitLogOffset: number
  readonly storeSize: number
  readonly bodyCRC: number
  readonly sysFlag: number
  readonly flag: number
  readonly bornTimestamp: number
  readonly storeTimestamp: number
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
  readonly body: Buffer
  readonly #source: StoredSource
  /** Of a part of an inner batch, which has properties of its own. */
  readonly #ownProperties: Buffer | undefined
  #propertiesText: string | undefined
  #properties: Properties | undefined
  /** Properties that are not stored but added by the client, as Java does. */
  #added: Properties | undefined
  #consumeStartTimestamp: number | undefined

  constructor(fields: StoredFields, body: Buffer, source: StoredSource, ownProperties?: Buffer) {
    this.topic = fields.topic
    this.brokerName = fields.brokerName
    this.queueId = fields.queueId
    this.queueOffset = fields.queueOffset
    this.commitLogOffset = fields.commitLogOffset
    this.storeSize = fields.storeSize
    this.bodyCRC = fields.bodyCRC
    this.sysFlag = fields.sysFlag
    this.flag = fields.flag
    this.bornTimestamp = fields.bornTimestamp
    this.storeTimestamp = fields.storeTimestamp
    this.reconsumeTimes = fields.reconsumeTimes
    this.preparedTransactionOffset = fields.preparedTransactionOffset
    this.body = body
    this.#source = source
    this.#ownProperties = ownProperties
  }

  get properties(): Readonly<Properties> {
    if (this.#properties === undefined) {
      const properties = decodeProperties(this.#text())
      for (const name in this.#added) properties[name] = this.#added[name] as string
      if (this.#consumeStartTimestamp !== undefined) {
        properties[MessageProperty.CONSUME_START_TIME] = String(this.#consumeStartTimestamp)
      }
      this.#properties = properties
    }
    return this.#properties
  }

  get tags(): string | undefined {
    return this.property(MessageProperty.TAGS)
  }

  get keys(): readonly string[] {
    const keys = this.property(MessageProperty.KEYS)
    return keys === undefined ? [] : keys.split(' ').filter((key) => key !== '')
  }

  get msgId(): string {
    return this.property(MessageProperty.UNIQ_KEY) ?? this.offsetMsgId
  }

  get offsetMsgId(): string {
    const { bytes, storeHostAt } = this.#source
    return formatOffsetMsgId(bytes, storeHostAt, this.#storeIpLength(), this.commitLogOffset)
  }

  get bornHost(): string {
    const { bytes, bornHostAt } = this.#source
    return formatHost(bytes, bornHostAt, ipLength(this.sysFlag, MessageSysFlag.BORN_HOST_V6))
  }

  get storeHost(): string {
    const { bytes, storeHostAt } = this.#source
    return formatHost(bytes, storeHostAt, this.#storeIpLength())
  }

  /** One property, without reading the others. */
  property(name: string): string | undefined {
    if (this.#properties !== undefined) return this.#properties[name]
    if (this.#consumeStartTimestamp !== undefined && name === MessageProperty.CONSUME_START_TIME)
      return String(this.#consumeStartTimestamp)
    if (this.#added !== undefined && Object.hasOwn(this.#added, name)) return this.#added[name]
    return findProperty(this.#text(), name)
  }

  /** Adds what the client knows beside the stored properties (`MIN_OFFSET`, `MAX_OFFSET`). */
  addProperties(added: Properties): void {
    this.#added = this.#added === undefined ? added : { ...this.#added, ...added }
    if (this.#properties !== undefined) Object.assign(this.#properties, added)
  }

  /** Takes down when a handler got the message, in ms since the epoch (`CONSUME_START_TIME`). A number, until somebody asks for it. */
  startConsume(now: number): void {
    this.#consumeStartTimestamp = now
    if (this.#properties !== undefined) this.#properties[MessageProperty.CONSUME_START_TIME] = String(now)
  }

  /** The same message with other fields or another body: a part of an inner batch, a decompressed one, or one whose topic lost its namespace. */
  derive(fields: Partial<StoredFields>, body: Buffer, ownProperties = this.#ownProperties): StoredMessage {
    const derived = new StoredMessage({ ...this.toStoredFields(), ...fields }, body, this.#source, ownProperties)
    derived.#added = this.#added
    return derived
  }

  toJSON(): Record<string, unknown> {
    return {
      ...this.toStoredFields(),
      msgId: this.msgId,
      offsetMsgId: this.offsetMsgId,
      tags: this.tags,
      keys: this.keys,
      properties: { ...this.properties },
      bornHost: this.bornHost,
      storeHost: this.storeHost,
      body: this.body,
    }
  }

  [inspect.custom](_depth: number, options: { stylize?: unknown }): string {
    return `MessageExt ${inspect(this.toJSON(), options as object)}`
  }

  toStoredFields(): StoredFields {
    return {
      topic: this.topic,
      brokerName: this.brokerName,
      queueId: this.queueId,
      queueOffset: this.queueOffset,
      commitLogOffset: this.commitLogOffset,
      storeSize: this.storeSize,
      bodyCRC: this.bodyCRC,
      sysFlag: this.sysFlag,
      flag: this.flag,
      bornTimestamp: this.bornTimestamp,
      storeTimestamp: this.storeTimestamp,
      reconsumeTimes: this.reconsumeTimes,
      preparedTransactionOffset: this.preparedTransactionOffset,
    }
  }

  #storeIpLength(): 4 | 16 {
    return ipLength(this.sysFlag, MessageSysFlag.STORE_HOST_V6)
  }

  #text(): string {
    const { bytes, propertiesAt, propertiesEnd } = this.#source
    this.#propertiesText ??=
      this.#ownProperties?.toString('utf8') ?? bytes.toString('utf8', propertiesAt, propertiesEnd)
    return this.#propertiesText
  }
}
