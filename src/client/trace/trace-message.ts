import { encodeTraceRecord, traceKeys } from './trace-data.js'
import type { ResolvedMessageTraceOptions } from './trace-options.js'
import type { TraceRecord } from './trace-record.js'

/** The property string's length stands in 16 bits, and holds more than the keys: the rest is for that, and for what brokers add. */
const MAX_KEYS_SIZE = 30_000

/** Several records in one message. */
export interface TraceMessage {
  readonly body: Buffer
  /** With a space between, as brokers index them. */
  readonly keys: string
  readonly recordCount: number
}

export interface TraceBatch {
  /** Undefined when none of the records fits. */
  readonly message: TraceMessage | undefined
  /** How many records of the front are dealt with. */
  readonly taken: number
  /** Those of them that no message can hold. */
  readonly unfit: number
}

/** Puts the first records into a message, as many as its limits allow. */
export function toTraceBatch(
  records: readonly TraceRecord[],
  groupName: string,
  limits: Pick<ResolvedMessageTraceOptions, 'batchSize' | 'maxMessageSize'>,
): TraceBatch {
  const keys = new Keys()
  let text = ''
  let size = 0
  let recordCount = 0
  let unfit = 0
  for (const record of records) {
    if (recordCount + unfit === limits.batchSize) break
    const encoded = encode(record, groupName)
    if (encoded === undefined || encoded.size > limits.maxMessageSize) {
      unfit++
      continue
    }
    const isFit = size + encoded.size <= limits.maxMessageSize && keys.add(encoded.keys)
    if (!isFit) break
    text += encoded.text
    size += encoded.size
    recordCount++
  }
  const message = recordCount === 0 ? undefined : { body: Buffer.from(text), keys: keys.text, recordCount }
  return { message, taken: recordCount + unfit, unfit }
}

/** Undefined for a record that is not what its type says: it must not take the process down in the background. */
function encode(record: TraceRecord, groupName: string) {
  try {
    const text = encodeTraceRecord(record, groupName)
    return { text, size: Buffer.byteLength(text), keys: traceKeys(record) }
  } catch {
    return undefined
  }
}

class Keys {
  readonly #keys = new Set<string>()
  #size = 0

  get text(): string {
    return [...this.#keys].join(' ')
  }

  /** Adds a record's keys; false when they are too many beside those of others. Where they are alone, the first ones are taken. */
  add(keys: readonly string[]): boolean {
    const isFirst = this.#keys.size === 0
    const fresh = new Set<string>()
    let size = this.#size
    for (const key of keys) {
      if (this.#keys.has(key) || fresh.has(key)) continue
      if (size + sizeOf(key) > MAX_KEYS_SIZE) {
        if (!isFirst) return false
        break
      }
      fresh.add(key)
      size += sizeOf(key)
    }
    for (const key of fresh) this.#keys.add(key)
    this.#size = size
    return true
  }
}

/** With the space behind it. */
function sizeOf(key: string): number {
  return Buffer.byteLength(key) + 1
}
