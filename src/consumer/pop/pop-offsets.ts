import { parseInteger } from '../../codec/int64.js'
import { MessageError, shown } from '../../errors.js'
import type { RetryType } from './receipt.js'

const LIST_SEPARATOR = ';'
const PART_SEPARATOR = ' '
const OFFSET_SEPARATOR = ','

/** Where each pop of a queue began, by {@link queueKey}; undefined for an answer that says nothing of it. */
export function parseStartOffsetInfo(text: string | undefined): ReadonlyMap<string, number> | undefined {
  return parseInfo(text, (value) => numberOf(value, text))
}

/** The offsets of the messages of each queue, by {@link queueKey}, in the order in which they come. */
export function parseMsgOffsetInfo(text: string | undefined): ReadonlyMap<string, readonly number[]> | undefined {
  return parseInfo(text, (value) => value.split(OFFSET_SEPARATOR).map((offset) => numberOf(offset, text)))
}

/** How often messages were popped before: by {@link queueKey} those of a whole queue, by {@link offsetKey} a single one. */
export function parseOrderCountInfo(text: string | undefined): ReadonlyMap<string, number> | undefined {
  return parseInfo(text, (value) => numberOf(value, text))
}

export function queueKey(retry: RetryType, queueId: number): string {
  return `${retry} ${queueId}`
}

export function offsetKey(retry: RetryType, queueId: number, queueOffset: number): string {
  return `${retry} qo${queueId}%${queueOffset}`
}

/** `retry queue value;retry queue value`. @see ExtraInfoUtil */
function parseInfo<T>(text: string | undefined, read: (value: string) => T): ReadonlyMap<string, T> | undefined {
  if (text === undefined || text === '') return undefined
  const values = new Map<string, T>()
  for (const one of text.split(LIST_SEPARATOR)) {
    const parts = one.split(PART_SEPARATOR)
    const [retry, queue, value = ''] = parts
    const key = `${retry} ${queue}`
    if (parts.length !== 3 || values.has(key)) throw malformed(text)
    values.set(key, read(value))
  }
  return values
}

function numberOf(value: string, text: string | undefined): number {
  const number = parseInteger(value, 'a number of a pop answer')
  if (number === undefined) throw malformed(text)
  return number
}

function malformed(text: string | undefined): MessageError {
  return new MessageError('HEADER_MALFORMED', `the answer to a pop says ${shown(text)} of its offsets`)
}
