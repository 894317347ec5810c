import { types } from 'node:util'
import type { Properties } from '../codec/properties.js'
import { ClientError, shown } from '../errors.js'
import type { Message } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'

/** What an older broker would pass over in silence, delivering the message at once or anywhere. */
export type BrokerFeature = 'TIMER' | 'PRIORITY'

/**
 * No broker lists so many levels in its `messageDelayLevel`: what is above is a time by mistake. Between the broker's highest level, which a client can't know,
 * and this one, brokers take their highest.
 */
export const MAX_DELAY_LEVEL = 999
/** A Java int: of more, brokers make "no priority". */
const MAX_PRIORITY = 0x7fff_ffff

const TIMING = ['delayLevel', 'delayMs', 'deliverAt', 'priority'] as const

/** The names of the fields by which a message says when, or before which others, it is to be delivered. */
export function timingOf(message: Message): (typeof TIMING)[number][] {
  return TIMING.filter((name) => message[name] !== undefined)
}

export function isDelayed(message: Message): boolean {
  return message.delayLevel !== undefined || isTimed(message)
}

export function brokerFeatureOf(message: Message): BrokerFeature | undefined {
  if (isTimed(message)) return 'TIMER'
  return message.priority === undefined ? undefined : 'PRIORITY'
}

/**
 * Adds the properties of a message that is delayed or has a priority.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 */
export function addTiming(message: Message, properties: Properties): void {
  checkExclusive(message)
  const { delayLevel, delayMs, deliverAt, priority } = message
  if (delayLevel !== undefined) properties[MessageProperty.DELAY_TIME_LEVEL] = toDelayLevel(delayLevel)
  if (delayMs !== undefined)
    properties[MessageProperty.TIMER_DELAY_MS] = toNumber(delayMs, 'delayMs', Number.MAX_SAFE_INTEGER)
  if (deliverAt !== undefined) properties[MessageProperty.TIMER_DELIVER_MS] = toTime(deliverAt)
  if (priority !== undefined) properties[MessageProperty.PRIORITY] = toNumber(priority, 'priority', MAX_PRIORITY)
}

function isTimed(message: Message): boolean {
  return message.delayMs !== undefined || message.deliverAt !== undefined
}

/** Brokers would take one of them and drop the others without a word. */
function checkExclusive(message: Message): void {
  const given = timingOf(message)
  if (given.length > 1)
    throw new ClientError('INVALID_ARGUMENT', `a message has ${given.join(' and ')}, only one of them can be given`)
  if (message.priority !== undefined && message.shardingKey !== undefined)
    throw new ClientError(
      'INVALID_ARGUMENT',
      'a message has priority and shardingKey, only one of them can be given: brokers drop the priority of a message that is to keep an order',
    )
}

function toDelayLevel(level: unknown): string {
  if (typeof level === 'number' && level > MAX_DELAY_LEVEL)
    throw new ClientError(
      'INVALID_ARGUMENT',
      `delayLevel is ${shown(level)}, at most ${MAX_DELAY_LEVEL} expected: a level is a place in the broker's list messageDelayLevel; a time is given by delayMs or deliverAt`,
    )
  return toNumber(level, 'delayLevel', MAX_DELAY_LEVEL)
}

function toTime(deliverAt: unknown): string {
  const time = types.isDate(deliverAt) ? deliverAt.getTime() : deliverAt
  return toNumber(time, 'deliverAt', Number.MAX_SAFE_INTEGER)
}

function toNumber(value: unknown, field: string, max: number): string {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) return String(value)
  const range = max === Number.MAX_SAFE_INTEGER ? 'from 0 on' : `from 0 to ${max}`
  throw new ClientError('INVALID_ARGUMENT', `${field} is ${shown(value)}, a whole number ${range} expected`)
}
