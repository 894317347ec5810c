import Long from 'long'
import { MessageError } from '../errors.js'

const TWO_32 = 0x1_0000_0000
/** High words of the safe integers lie in [-2^21, 2^21); of that range only -2^53 itself is not safe. */
const SAFE_HIGH = 0x20_0000

/**
 * Reads a signed 64-bit integer as a number.
 *
 * @throws {@link MessageError} `INTEGER_OUT_OF_RANGE` past `Number.MAX_SAFE_INTEGER`, with the exact value: never a rounded number.
 */
export function readInt64(view: DataView, position: number, field: string): number {
  const high = view.getInt32(position)
  const low = view.getUint32(position + 4)
  if (high >= SAFE_HIGH || high < -SAFE_HIGH || (high === -SAFE_HIGH && low === 0)) {
    throw outOfRange(new Long(low | 0, high).toString(), field, position)
  }
  return high * TWO_32 + low
}

/**
 * Adds two safe integers.
 *
 * @throws {@link MessageError} `INTEGER_OUT_OF_RANGE` when the sum is none, with its exact value.
 */
export function addInt64(a: number, b: number, field: string): number {
  const sum = a + b
  if (Number.isSafeInteger(sum)) return sum
  throw outOfRange(Long.fromNumber(a).add(Long.fromNumber(b)).toString(), field, undefined)
}

/** Writes a safe integer as a signed 64-bit one. */
export function writeInt64(view: DataView, position: number, value: number): void {
  view.setInt32(position, Math.floor(value / TWO_32))
  view.setUint32(position + 4, (value % TWO_32) >>> 0)
}

/** The number that decimal text stands for; undefined when the text is no integer. Throws past the safe range. */
export function parseInteger(text: string, field: string): number | undefined {
  const length = text.length
  const start = text.charCodeAt(0) === 0x2d ? 1 : 0
  if (length === start || length > 20) return undefined
  for (let i = start; i < length; i++) {
    const c = text.charCodeAt(i)
    if (c < 0x30 || c > 0x39) return undefined
  }
  const value = Number(text)
  if (length > 15 && !Number.isSafeInteger(value)) throw outOfRange(text, field, undefined)
  return value === 0 ? 0 : value
}

function outOfRange(exact: string, field: string, position: number | undefined): MessageError {
  const where = position === undefined ? '' : ` at byte ${position}`
  return new MessageError(
    'INTEGER_OUT_OF_RANGE',
    `${field}${where} is ${exact}, beyond what a JavaScript number holds exactly (2^53 - 1)`,
    position === undefined ? {} : { position },
  )
}
