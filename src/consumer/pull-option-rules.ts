import { invalid, milliseconds, oneOf, wholeNumber } from '../client/option-rules.js'

const MIB = 1024 * 1024
export const MAX_BYTES = 1024 * 1024 * MIB

/** The rules of the options that every consumer has which pulls by itself. */
export const pullOptionRules = {
  pullThresholdForQueue: wholeNumber(1000, { min: 1, max: 65_535 }),
  pullThresholdSizeForQueue: wholeNumber(100 * MIB, { min: 1, max: MAX_BYTES, unit: 'bytes' }),
  consumerTimeoutMillisWhenSuspend: milliseconds(30_000),
  pullTimeDelayMillsWhenException: milliseconds(1_000),
  maxMessageSize: wholeNumber(4 * MIB, { min: 4 * MIB, max: 1024 * MIB, unit: 'bytes' }),
  undecodableMessagePolicy: oneOf(['stop', 'skip'], 'stop'),
}

/** @throws {@link ClientError} `INVALID_OPTION` when a pull has no more time than brokers may hold it. */
export function checkSuspendTime(
  options: { readonly brokerSuspendMaxTimeMillis: number; readonly consumerTimeoutMillisWhenSuspend: number },
  owner: string,
): void {
  const { brokerSuspendMaxTimeMillis, consumerTimeoutMillisWhenSuspend } = options
  if (consumerTimeoutMillisWhenSuspend > brokerSuspendMaxTimeMillis) return
  const expected = `more than brokerSuspendMaxTimeMillis, ${brokerSuspendMaxTimeMillis},`
  throw invalid(`option consumerTimeoutMillisWhenSuspend of ${owner}`, consumerTimeoutMillisWhenSuspend, expected)
}
