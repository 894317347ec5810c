import { MEMBER_OPTION_NAMES, memberOptionsOf } from '../client/member.js'
import type { ClientOptions } from '../client/member-options.js'
import { checkGroup, checkTopic } from '../client/name-check.js'
import { milliseconds, required, resolveOptions, text, wholeNumber } from '../client/option-rules.js'
import { AUTO_CREATE_TOPIC } from '../message/names.js'

export interface ProducerOptions extends ClientOptions {
  /** Required. Producers of one kind share a group name. */
  producerGroup: string
  /** How many more tries a failed send has, on other brokers where there are any. Default 2. */
  retryTimesWhenSendFailed?: number
  /** For a send with all its tries, in milliseconds. Default 3000. */
  sendTimeout?: number
  /** Largest body, and largest batch, in bytes. Default 4 MiB, as brokers have it. */
  maxMessageSize?: number
  /** The topic by whose example brokers create a topic at its first message. Default `TBW102`. */
  createTopicKey?: string
  /** How many queues such a topic gets at most. Default 4. */
  defaultTopicQueueNums?: number
}

const rules = {
  producerGroup: required((value) => checkGroup(value, 'producerGroup')),
  retryTimesWhenSendFailed: wholeNumber(2, { min: 0, max: 100 }),
  sendTimeout: milliseconds(3000),
  maxMessageSize: wholeNumber(4 * 1024 * 1024, { min: 1, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  createTopicKey: { read: (value: unknown, name: string) => checkTopic(text(AUTO_CREATE_TOPIC).read(value, name)) },
  defaultTopicQueueNums: wholeNumber(4, { min: 1, max: 65_535 }),
}

export type ResolvedProducerOptions = ReturnType<typeof resolveProducerOptions>

export function resolveProducerOptions(options: ProducerOptions, owner: string) {
  return resolveOptions(rules, memberOptionsOf(options, owner), owner, MEMBER_OPTION_NAMES)
}
