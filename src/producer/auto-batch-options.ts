import { invalid, type OptionRule, resolveOptions, wholeNumber } from '../client/option-rules.js'
import { MAX_BATCH_COUNT } from './batch.js'

/** How sends that are started close together are put into one request. */
export interface AutoBatchOptions {
  /** Largest batch as it goes over the wire, in bytes; a larger message goes alone. 1 byte to 2 MiB, default 32 KiB. */
  maxBytes?: number
  /** Most messages in a batch. 1 to 10000, default 1000. */
  maxCount?: number
  /** How long a message waits for others, in milliseconds, but never more than half of its timeout. 1 ms to 30 s, default 10. */
  maxDelay?: number
  /** Bytes that may be held, waiting or in flight; when they are used up, messages no longer wait for others. Up to 1 GiB, default 32 MiB. */
  maxBytesTotal?: number
}

const rules = {
  maxBytes: wholeNumber(32 * 1024, { min: 1, max: 2 * 1024 * 1024, unit: 'bytes' }),
  maxCount: wholeNumber(1000, { min: 1, max: MAX_BATCH_COUNT }),
  maxDelay: wholeNumber(10, { min: 1, max: 30_000, unit: 'ms' }),
  maxBytesTotal: wholeNumber(32 * 1024 * 1024, { min: 1, max: 1024 * 1024 * 1024, unit: 'bytes' }),
}

export type ResolvedAutoBatchOptions = Required<AutoBatchOptions>

/** `true`: with all defaults. Resolves to undefined when it is off, which is the default. */
export const autoBatchRule: OptionRule<ResolvedAutoBatchOptions | undefined> = {
  read(value, name) {
    if (value === undefined || value === false) return undefined
    if (value === true) return resolveOptions(rules, {}, 'autoBatch')
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return resolveOptions(rules, value, 'autoBatch')
    }
    throw invalid(name, value, 'true, false or an object { maxBytes, maxCount, maxDelay, maxBytesTotal }')
  },
}
