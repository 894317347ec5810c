import { flag, invalid, milliseconds, type OptionRule, resolveOptions } from '../client/option-rules.js'
import type { LatencyFaultSettings } from '../route/latency-fault-tolerance.js'

/** Which brokers are left out after slow or failed sends, and for how long. Times are in milliseconds. */
export interface LatencyFaultOptions {
  /**
   * Latencies from which on a broker is unavailable, ascending; each belongs to the entry of `notAvailableDuration` at the same place. A failed attempt
   * counts as 10000. Default `[50, 100, 550, 1800, 3000, 5000, 15000]`.
   */
  latencyMax?: readonly number[]
  /** For how long the broker is unavailable then; ascending too. Default `[0, 0, 2000, 5000, 6000, 10000, 30000]`. */
  notAvailableDuration?: readonly number[]
  /**
   * Probe brokers that failed, in rounds of 3 seconds: while no broker is available, those that answer are used before those that don't. Default `false`.
   */
  startDetector?: boolean
  /** Between two probes of one broker, at least. Default 2000. */
  detectInterval?: number
  /** For one probe. Default 200. */
  detectTimeout?: number
}

/** @see MQFaultStrategy.latencyMax, MQFaultStrategy.notAvailableDuration */
const DEFAULT_LATENCY_MAX: readonly number[] = [50, 100, 550, 1800, 3000, 5000, 15_000]
const DEFAULT_NOT_AVAILABLE_DURATION: readonly number[] = [0, 0, 2000, 5000, 6000, 10_000, 30_000]

const MAX_ENTRIES = 32
const HOUR = 3_600_000

const rules = {
  latencyMax: ascending(DEFAULT_LATENCY_MAX, true),
  notAvailableDuration: ascending(DEFAULT_NOT_AVAILABLE_DURATION, false),
  startDetector: flag(false),
  detectInterval: milliseconds(2000),
  detectTimeout: milliseconds(200),
}

/** `true` for the defaults, an object for others. Undefined: off. */
export const latencyFaultRule: OptionRule<LatencyFaultSettings | undefined> = {
  read(value, name) {
    if (value === undefined || value === false) return undefined
    if (value !== true && (typeof value !== 'object' || value === null || Array.isArray(value))) {
      throw invalid(name, value, 'true, false or an object')
    }
    const settings = resolveOptions(rules, value === true ? {} : value, name.replace(/^option /, ''))
    const { latencyMax, notAvailableDuration } = settings
    if (latencyMax.length === notAvailableDuration.length) return settings
    const { length } = notAvailableDuration
    const expected = `${latencyMax.length} entries instead of ${length}, as many as latencyMax has,`
    throw invalid(`notAvailableDuration in ${name}`, notAvailableDuration, expected)
  },
}

function ascending(fallback: readonly number[], isStrict: boolean): OptionRule<readonly number[]> {
  const expected = `1 to ${MAX_ENTRIES} ${isStrict ? 'different ' : ''}whole numbers in ascending order, from 0 to ${HOUR} (ms),`
  return {
    read(value, name) {
      if (value === undefined) return fallback
      if (!Array.isArray(value) || value.length === 0 || value.length > MAX_ENTRIES)
        throw invalid(name, value, expected)
      let previous = isStrict ? -1 : 0
      for (const entry of value) {
        const isDuration = Number.isInteger(entry) && entry >= 0 && entry <= HOUR
        if (!isDuration || entry < previous || (isStrict && entry === previous)) throw invalid(name, value, expected)
        previous = entry
      }
      return [...value]
    },
  }
}
