import { checkSendTopic } from '../client/name-check.js'
import type { UniqueIdGenerator } from '../codec/message-id.js'
import { encodeProperties, type Properties } from '../codec/properties.js'
import { ClientError, shown } from '../errors.js'
import type { Message } from '../message/message.js'
import { MessageProperty, RESERVED_PROPERTIES } from '../message/message-properties.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'

/** The property string's length stands in 16 bits; brokers add some of their own. */
export const MAX_PROPERTIES_LENGTH = 32_767

/** A message checked and encoded: what every attempt to send it writes, byte for byte. */
export interface OutgoingMessage {
  readonly topic: string
  readonly body: Uint8Array
  readonly flag: number
  /** The property string as it goes over the wire. */
  readonly properties: string
  /** Of a batch: the same with an id for the batch itself. Without it, a topic that stores batches as one message stores the parts one by one. */
  readonly propertiesWithBatchId?: string
  /** The id given to it; also the result's `msgId`. */
  readonly uniqKey: string
  readonly shardingKey: string | undefined
  readonly waitStoreMsgOk: boolean
  /** Whether it is to be delivered later, by level or time. */
  readonly isDelayed: boolean
}

/**
 * Checks a message by Java's rules and takes what is to be sent from it. The caller's object is not changed, and may be changed afterwards: the body is copied.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`, naming the field; `MESSAGE_TOO_LARGE`.
 * @see Validators.checkMessage
 */
export function toOutgoingMessage(message: Message, maxMessageSize: number, ids: UniqueIdGenerator): OutgoingMessage {
  if (typeof message !== 'object' || message === null) throw illegal('message', message, 'an object { topic, body }')
  const topic = checkSendTopic(message.topic)
  const body = toBody(message.body, topic, maxMessageSize)
  const uniqKey = ids.next()
  const properties = encodeProperties(toProperties(message, uniqKey))
  checkPropertiesLength(properties, topic)
  return {
    topic,
    body,
    flag: checkFlag(message.flag),
    properties,
    uniqKey,
    shardingKey: message.shardingKey,
    waitStoreMsgOk: message.waitStoreMsgOk !== false,
    isDelayed: message.delayLevel !== undefined || message.delayMs !== undefined || message.deliverAt !== undefined,
  }
}

export function isRetryTopic(topic: string): boolean {
  return topic.startsWith(RETRY_TOPIC_PREFIX)
}

function toBody(body: unknown, topic: string, maxMessageSize: number): Uint8Array {
  let bytes: Uint8Array
  if (typeof body === 'string') bytes = Buffer.from(body)
  else if (body instanceof Uint8Array) bytes = Buffer.from(body)
  else throw illegal('body', body, 'a Uint8Array or a string')
  if (bytes.length === 0)
    throw new ClientError('INVALID_ARGUMENT', `the message body for topic ${topic} has length zero: brokers refuse it`)
  if (bytes.length > maxMessageSize) {
    throw new ClientError(
      'MESSAGE_TOO_LARGE',
      `the message body for topic ${topic} has ${bytes.length} bytes, ${maxMessageSize} are allowed (maxMessageSize)`,
    )
  }
  return bytes
}

/** In this order: what a reader asks for first comes first. */
function toProperties(message: Message, uniqKey: string): Properties {
  // Without a prototype, a name such as __proto__ is plain data.
  const properties = Object.create(null) as Properties
  properties[MessageProperty.UNIQ_KEY] = uniqKey
  if (message.tags !== undefined && message.tags !== '')
    properties[MessageProperty.TAGS] = checkValue(message.tags, 'tags')
  const keys = toKeys(message.keys)
  if (keys !== '') properties[MessageProperty.KEYS] = keys
  properties[MessageProperty.WAIT_STORE_MSG_OK] = message.waitStoreMsgOk === false ? 'false' : 'true'
  if (message.shardingKey !== undefined)
    properties[MessageProperty.SHARDING_KEY] = checkValue(message.shardingKey, 'shardingKey')
  if (message.delayLevel !== undefined)
    properties[MessageProperty.DELAY_TIME_LEVEL] = toNumber(message.delayLevel, 'delayLevel')
  if (message.delayMs !== undefined) properties[MessageProperty.TIMER_DELAY_MS] = toNumber(message.delayMs, 'delayMs')
  if (message.deliverAt !== undefined)
    properties[MessageProperty.TIMER_DELIVER_MS] = toNumber(Number(message.deliverAt), 'deliverAt')
  if (message.priority !== undefined) properties[MessageProperty.PRIORITY] = toNumber(message.priority, 'priority')
  if (message.properties !== undefined) addUserProperties(message.properties, properties)
  return properties
}

function toKeys(keys: Message['keys']): string {
  if (keys === undefined) return ''
  const list = typeof keys === 'string' ? [keys] : keys
  if (!Array.isArray(list)) throw illegal('keys', keys, 'a text or a list of texts')
  for (const key of list) {
    checkValue(key, 'keys')
    // One text is taken as it is, as in Java's setKeys(String); of a list, each is one key.
    if (typeof keys !== 'string' && key.includes(' ')) throw illegal('keys', key, 'a key without spaces')
  }
  return list.join(' ')
}

function addUserProperties(given: Record<string, string>, properties: Properties): void {
  if (typeof given !== 'object' || given === null) throw illegal('properties', given, 'an object of texts')
  for (const name of Object.keys(given)) {
    if (RESERVED_PROPERTIES.has(name) || name.startsWith('__RMQ.TRANSIENT.')) {
      throw new ClientError(
        'INVALID_ARGUMENT',
        `the property name ${shown(name)} is used by RocketMQ itself, choose another`,
      )
    }
    if (name.trim() === '' || hasSeparator(name))
      throw illegal('a property name', name, 'a text that is not blank and has no U+0001 or U+0002')
    properties[name] = checkValue(given[name], `property ${shown(name)}`)
  }
}

function checkValue(value: unknown, field: string): string {
  if (typeof value !== 'string' || value.trim() === '' || hasSeparator(value)) {
    throw illegal(field, value, 'a text that is not blank and has no U+0001 or U+0002')
  }
  return value
}

/** The characters that separate properties on the wire. */
function hasSeparator(text: string): boolean {
  return text.includes('\u0001') || text.includes('\u0002')
}

function toNumber(value: unknown, field: string): string {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw illegal(field, value, 'a whole number from 0 on')
  return String(value)
}

function checkFlag(flag: unknown): number {
  if (flag === undefined) return 0
  if (typeof flag !== 'number' || flag !== (flag | 0)) throw illegal('flag', flag, 'a 32-bit integer')
  return flag
}

function checkPropertiesLength(properties: string, topic: string): void {
  // Most are short: three bytes a character is the most that UTF-8 takes.
  if (properties.length * 3 <= MAX_PROPERTIES_LENGTH) return
  const length = Buffer.byteLength(properties)
  if (length > MAX_PROPERTIES_LENGTH) {
    throw new ClientError(
      'MESSAGE_TOO_LARGE',
      `the properties of a message for topic ${topic} take ${length} bytes, ${MAX_PROPERTIES_LENGTH} are allowed`,
    )
  }
}

function illegal(field: string, value: unknown, expected: string): ClientError {
  return new ClientError('INVALID_ARGUMENT', `${field} is ${shown(value)}, ${expected} expected`)
}
