import { checkSendTopic, checkTopic } from '../client/name-check.js'
import type { Namespace } from '../client/namespace.js'
import type { UniqueIdGenerator } from '../codec/message-id.js'
import { encodeProperties, type Properties } from '../codec/properties.js'
import { textRecord } from '../codec/text-record.js'
import { ClientError, shown } from '../errors.js'
import type { Message } from '../message/message.js'
import { MessageProperty, RESERVED_PROPERTIES } from '../message/message-properties.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import { systemPropertiesOf } from '../message/system-properties.js'
import type { MessageKind } from './message-kind.js'
import { addTiming, type BrokerFeature, brokerFeatureOf, isDelayed } from './message-timing.js'

/** The property string's length stands in 16 bits; brokers add some of their own. */
export const MAX_PROPERTIES_LENGTH = 32_767

/** A message checked and encoded: what every attempt to send it writes, byte for byte. */
export interface OutgoingMessage {
  readonly topic: string
  readonly body: Uint8Array
  readonly flag: number
  readonly sysFlag: number
  readonly kind: MessageKind
  readonly isBatch: boolean
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
  /** What an older broker would pass over in silence, delivering the message at once or anywhere. */
  readonly needs: BrokerFeature | undefined
}

/**
 * Checks a message by Java's rules and takes what is to be sent from it. The caller's object is not changed, and may be changed afterwards: the body is copied.
 *
 * @param bodyUse - `'SHARED'`: it is not copied, as something else is made of it at once.
 * @throws {@link ClientError} `INVALID_ARGUMENT`, naming the field; `MESSAGE_TOO_LARGE`.
 * @see Validators.checkMessage
 */
export function toOutgoingMessage(
  message: Message,
  maxMessageSize: number,
  ids: UniqueIdGenerator,
  kind: MessageKind = 'NORMAL',
  bodyUse: 'COPIED' | 'SHARED' = 'COPIED',
): OutgoingMessage {
  checkIsMessage(message)
  const topic = checkSendTopic(message.topic)
  const body = toBody(message.body, topic, maxMessageSize, bodyUse === 'COPIED')
  const uniqKey = ids.next()
  const properties = encodeProperties(toProperties(message, uniqKey))
  checkPropertiesLength(properties, topic)
  return {
    topic,
    body,
    flag: checkFlag(message.flag),
    sysFlag: kind === 'HALF' ? MessageSysFlag.TRANSACTION_PREPARED : 0,
    kind,
    isBatch: false,
    properties,
    uniqKey,
    shardingKey: message.shardingKey,
    waitStoreMsgOk: message.waitStoreMsgOk !== false,
    isDelayed: isDelayed(message),
    needs: brokerFeatureOf(message),
  }
}

/**
 * How many bytes a message's body will have, before anything is made of it.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`.
 */
export function bodyLength(message: Message, maxMessageSize = Number.POSITIVE_INFINITY): number {
  checkIsMessage(message)
  const { body, topic } = message
  if (!(body instanceof Uint8Array) && typeof body !== 'string') throw illegal('body', body, 'a Uint8Array or a string')
  return checkBodyLength(typeof body === 'string' ? Buffer.byteLength(body) : body.length, topic, maxMessageSize)
}

/**
 * The message as servers know it.
 *
 * A reply keeps its topic: each broker has one for the replies of its cluster, whatever the namespace of those who ask.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE` for what is too long only with the namespace.
 * @see DefaultMQProducerImpl.sendKernelImpl
 */
export function inNamespace(outgoing: OutgoingMessage, namespace: Namespace): OutgoingMessage {
  if (namespace.name === undefined) return outgoing
  const instance = encodeProperties({ [MessageProperty.INSTANCE_ID]: namespace.name })
  const { propertiesWithBatchId } = outgoing
  const properties = outgoing.properties + instance
  checkPropertiesLength(properties, outgoing.topic)
  return {
    ...outgoing,
    topic: outgoing.kind === 'REPLY' ? outgoing.topic : checkTopic(namespace.wrap(outgoing.topic)),
    properties,
    ...(propertiesWithBatchId === undefined ? undefined : { propertiesWithBatchId: propertiesWithBatchId + instance }),
  }
}

/** @throws {@link ClientError} `INVALID_ARGUMENT`. */
export function checkIsMessage(message: unknown): void {
  if (typeof message !== 'object' || message === null) throw illegal('message', message, 'an object { topic, body }')
}

export function isRetryTopic(topic: string): boolean {
  return topic.startsWith(RETRY_TOPIC_PREFIX)
}

function toBody(body: unknown, topic: string, maxMessageSize: number, isCopied: boolean): Uint8Array {
  let bytes: Uint8Array
  if (typeof body === 'string') bytes = Buffer.from(body)
  else if (body instanceof Uint8Array) bytes = isCopied ? Buffer.from(body) : body
  else throw illegal('body', body, 'a Uint8Array or a string')
  if (bytes.length === 0)
    throw new ClientError('INVALID_ARGUMENT', `the message body for topic ${topic} has length zero: brokers refuse it`)
  checkBodyLength(bytes.length, topic, maxMessageSize)
  return bytes
}

function checkBodyLength(length: number, topic: string, maxMessageSize: number): number {
  if (length <= maxMessageSize) return length
  throw new ClientError(
    'MESSAGE_TOO_LARGE',
    `the message body for topic ${topic} has ${length} bytes, ${maxMessageSize} are allowed (maxMessageSize)`,
  )
}

/** In this order: what a reader asks for first comes first. */
function toProperties(message: Message, uniqKey: string): Properties {
  const properties: Properties = textRecord()
  properties[MessageProperty.UNIQ_KEY] = uniqKey
  if (message.tags !== undefined && message.tags !== '')
    properties[MessageProperty.TAGS] = checkValue(message.tags, 'tags')
  const keys = toKeys(message.keys)
  if (keys !== '') properties[MessageProperty.KEYS] = keys
  properties[MessageProperty.WAIT_STORE_MSG_OK] = message.waitStoreMsgOk === false ? 'false' : 'true'
  if (message.shardingKey !== undefined)
    properties[MessageProperty.SHARDING_KEY] = checkValue(message.shardingKey, 'shardingKey')
  if (isDelayed(message) || message.priority !== undefined) addTiming(message, properties)
  if (message.properties !== undefined) addUserProperties(message.properties, properties)
  const systemProperties = systemPropertiesOf(message)
  if (systemProperties !== undefined) Object.assign(properties, systemProperties)
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
