const STEP = 0x9e3779b1
const INSTEAD_OF_ZERO = 0x6d2b79f5

/**
 * The body of message `index` of a test run: the same bytes as `Messages.body(seed, index, size)` of the Java oracle.
 *
 * All arithmetic is modulo 2^32. x = seed xor (index * 0x9E3779B1), or 0x6D2B79F5 where that is 0. For each four bytes:
 * x ^= x << 13; x ^= x >>> 17; x ^= x << 5; then x's bytes, the lowest first. The last word is cut off at `size`.
 */
export function bodyOf(seed: number, index: number, size: number): Buffer {
  const words = new Uint8Array(Math.ceil(size / 4) * 4)
  const view = new DataView(words.buffer)
  let x = seed ^ Math.imul(index, STEP) || INSTEAD_OF_ZERO
  for (let at = 0; at < size; at += 4) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    view.setInt32(at, x, true)
  }
  return Buffer.from(words.buffer, 0, size)
}
