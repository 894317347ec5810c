import { MEMBER_OPTION_NAMES, memberOptionsOf } from '../client/member.js'
import type { ClientOptions } from '../client/member-options.js'
import { checkGroup, checkTopic } from '../client/name-check.js'
import {
  flag,
  invalid,
  milliseconds,
  type OptionRule,
  oneOf,
  optionalValue,
  required,
  resolveOptions,
  text,
  wholeNumber,
} from '../client/option-rules.js'
import { type MessageTraceOptions, messageTraceRule } from '../client/trace/trace-options.js'
import { hooksRule } from '../client/user-hooks.js'
import type { CompressionType } from '../codec/compression.js'
import { AUTO_CREATE_TOPIC } from '../message/names.js'
import { type AutoBatchOptions, autoBatchRule } from './auto-batch-options.js'
import { type LatencyFaultOptions, latencyFaultRule } from './latency-fault-options.js'
import type { ProducerHooks } from './producer-hooks.js'

export interface ProducerOptions extends ClientOptions {
  /** Required. Producers of one kind share a group name. */
  producerGroup: string
  /** How many more tries a failed send has, on other brokers where there are any. Default 2. */
  retryTimesWhenSendFailed?: number
  /** Codes of brokers' refusals after which another broker is tried too, beside those that Java has. Default none. */
  retryResponseCodes?: readonly number[]
  /** Whether a message that is stored with another status than `SEND_OK` is sent again to another broker, where there is one; consumers then get it twice. Default `false`. */
  retryAnotherBrokerWhenNotStoreOK?: boolean
  /** For a send with all its tries, in milliseconds, from when it has its place in flight. Default 3000. */
  sendTimeout?: number
  /** Sends in flight at a time; further ones wait for their place. Default 1024, with `autoBatch` 10000. More than a broker stores within 200 ms makes it refuse some as busy. */
  maxInFlight?: number
  /** Bytes of bodies in flight at a time; further sends wait for their place. Default 64 MiB. */
  maxInFlightBytes?: number
  /** Largest body, and largest batch, in bytes. Default 4 MiB, as brokers have it. */
  maxMessageSize?: number
  /** Bodies from so many bytes on are compressed, except for those of batches. Default 4096. */
  compressBodyOver?: number
  /** Default `'ZLIB'`, which every client reads. `'ZSTD'` needs Node 22.15 or later; readers need RocketMQ 5 for it and for `'LZ4'`. */
  compressType?: CompressionType
  /** ZLIB: 0 to 9, default 5. ZSTD: 1 to 22, default 3. LZ4 has no levels. */
  compressLevel?: number
  /** Leave brokers out for a time after slow or failed sends, as Java's `sendLatencyEnable`. Not for messages whose order matters. Default `false`. */
  latencyFaultTolerance?: boolean | LatencyFaultOptions
  /** Put sends that are started close together into one request. Default `false`. */
  autoBatch?: boolean | AutoBatchOptions
  /** Write the way of each message to the trace topic, for `mqadmin queryMsgTraceById`. Default `false`. */
  messageTrace?: boolean | MessageTraceOptions
  /** Functions of yours around each attempt to send; one set or several. */
  hooks?: ProducerHooks | readonly ProducerHooks[]
  /** The topic by whose example brokers create a topic at its first message. Default `TBW102`. */
  createTopicKey?: string
  /** How many queues such a topic gets at most. Default 4. */
  defaultTopicQueueNums?: number
}

/** Java's limit of asynchronous sends, where it is switched on (`DefaultMQProducer.backPressureForAsyncSendNum`). */
const MAX_IN_FLIGHT = 1024
const MAX_IN_FLIGHT_BATCHED = 10_000

const HOOK_NAMES = ['sendMessageBefore', 'sendMessageAfter', 'endTransaction', 'checkForbidden'] as const

const rules = {
  producerGroup: required((value) => checkGroup(value, 'producerGroup')),
  retryTimesWhenSendFailed: wholeNumber(2, { min: 0, max: 100 }),
  retryResponseCodes: { read: readCodes } satisfies OptionRule<ReadonlySet<number>>,
  retryAnotherBrokerWhenNotStoreOK: flag(false),
  sendTimeout: milliseconds(3000),
  maxInFlight: optionalValue(isCount, 'a whole number from 1 to 1000000'),
  maxInFlightBytes: wholeNumber(64 * 1024 * 1024, { min: 1, max: 64 * 1024 * 1024 * 1024, unit: 'bytes' }),
  maxMessageSize: wholeNumber(4 * 1024 * 1024, { min: 1, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  compressBodyOver: wholeNumber(4096, { min: 1, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  compressType: oneOf(['ZLIB', 'LZ4', 'ZSTD'], 'ZLIB'),
  compressLevel: optionalValue(isLevel, 'a whole number from 0 to 22'),
  latencyFaultTolerance: latencyFaultRule,
  autoBatch: autoBatchRule,
  messageTrace: messageTraceRule,
  hooks: hooksRule<ProducerHooks>(HOOK_NAMES),
  createTopicKey: { read: (value: unknown, name: string) => checkTopic(text(AUTO_CREATE_TOPIC).read(value, name)) },
  defaultTopicQueueNums: wholeNumber(4, { min: 1, max: 65_535 }),
}

export type ResolvedProducerOptions = ReturnType<typeof resolveProducerOptions>

export function resolveProducerOptions(options: ProducerOptions, owner: string) {
  const resolved = resolveOptions(rules, memberOptionsOf(options, owner), owner, MEMBER_OPTION_NAMES)
  checkLevel(resolved.compressType, resolved.compressLevel, owner)
  const { maxInFlight = resolved.autoBatch === undefined ? MAX_IN_FLIGHT : MAX_IN_FLIGHT_BATCHED } = resolved
  return { ...resolved, maxInFlight }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 1_000_000
}

function isLevel(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 22
}

function checkLevel(type: CompressionType, level: number | undefined, owner: string): void {
  if (level === undefined || type === 'LZ4') return
  const isFit = type === 'ZLIB' ? level <= 9 : level >= 1
  if (!isFit)
    throw invalid(`option compressLevel of ${owner}`, level, type === 'ZLIB' ? 'for ZLIB 0 to 9' : 'for ZSTD 1 to 22')
}

function readCodes(value: unknown, name: string): ReadonlySet<number> {
  if (value === undefined) return new Set()
  if (Array.isArray(value) && value.every((code) => Number.isInteger(code))) return new Set(value)
  throw invalid(name, value, 'a list of response codes')
}
