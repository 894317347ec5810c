import { checkTopic } from '../name-check.js'
import { invalid, milliseconds, type OptionRule, resolveOptions, text, wholeNumber } from '../option-rules.js'

/** `TopicValidator.RMQ_SYS_TRACE_TOPIC`. */
export const DEFAULT_TRACE_TOPIC = 'RMQ_SYS_TRACE_TOPIC'

/** How a producer or consumer writes down the way of its messages. */
export interface MessageTraceOptions {
  /** Where the records go. Default `RMQ_SYS_TRACE_TOPIC`, which brokers have when `traceTopicEnable=true`. */
  traceTopic?: string
  /** Records waiting to be sent; further ones are dropped. Default 2048. */
  queueSize?: number
  /** Records of one trace message at most; so many are waited for, up to `flushInterval`. Default 10, as in Java. */
  batchSize?: number
  /** How long a record waits for others, in milliseconds. Default 5000. */
  flushInterval?: number
  /** Largest body of a trace message, in bytes. Default 128000. */
  maxMessageSize?: number
}

export type ResolvedMessageTraceOptions = Readonly<Required<MessageTraceOptions>>

const rules = {
  traceTopic: { read: (value: unknown, name: string) => checkTopic(text(DEFAULT_TRACE_TOPIC).read(value, name)) },
  queueSize: wholeNumber(2048, { min: 1, max: 1_000_000 }),
  batchSize: wholeNumber(10, { min: 1, max: 1000 }),
  flushInterval: milliseconds(5000),
  maxMessageSize: wholeNumber(128_000, { min: 1024, max: 4 * 1024 * 1024, unit: 'bytes' }),
}

/** `true` for the defaults, an object for others. Undefined: no trace. */
export const messageTraceRule: OptionRule<ResolvedMessageTraceOptions | undefined> = {
  read(value, name) {
    if (value === undefined || value === false) return undefined
    if (value !== true && (typeof value !== 'object' || value === null || Array.isArray(value))) {
      throw invalid(name, value, 'true, false or an object')
    }
    return resolveOptions(rules, value === true ? {} : value, name.replace(/^option /, ''))
  },
}
