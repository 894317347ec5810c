/** A 64-bit constant as its two halves. */
type Halves = readonly [high: number, low: number]

const PRIME_1: Halves = [0x9e3779b1, 0x85ebca87]
const PRIME_2: Halves = [0xc2b2ae3d, 0x27d4eb4f]
const PRIME_3: Halves = [0x165667b1, 0x9e3779f9]
const PRIME_4: Halves = [0x85ebca77, 0xc2b2ae63]
const PRIME_5: Halves = [0x27d4eb2f, 0x165667c5]
const STRIPE = 32

/**
 * xxHash64 with seed 0, the checksum of Zstandard frames.
 *
 * Takes the data in order, in parts: every part but the last one must be a multiple of 32 bytes long. It keeps no copy of them.
 */
export class XxHash64 {
  readonly #lane1 = new Word64(PRIME_1).add(PRIME_2[0], PRIME_2[1])
  readonly #lane2 = new Word64(PRIME_2)
  readonly #lane3 = new Word64([0, 0])
  readonly #lane4 = new Word64([~PRIME_1[0], -PRIME_1[1]])
  #length = 0

  update(view: DataView, start: number, end: number): void {
    for (let position = start; position < end; position += STRIPE) {
      round(this.#lane1, view, position)
      round(this.#lane2, view, position + 8)
      round(this.#lane3, view, position + 16)
      round(this.#lane4, view, position + 24)
    }
    this.#length += end - start
  }

  /** Adds the last part, of any length, and returns the low 32 bits of the hash, which is all that a frame holds, as an unsigned number. */
  digest(view: DataView, start: number, end: number): number {
    let position = end - ((end - start) % STRIPE)
    this.update(view, start, position)
    const hash = this.#length === 0 ? new Word64(PRIME_5) : this.#merged()
    hash.add(0, this.#length + end - position)
    const part = new Word64([0, 0])
    for (; position + 8 <= end; position += 8) {
      part.set(0, 0)
      round(part, view, position)
      hash.xor(part.high, part.low).rotate(27).multiply(PRIME_1).add(PRIME_4[0], PRIME_4[1])
    }
    if (position + 4 <= end) {
      part.set(0, view.getInt32(position, true))
      part.multiply(PRIME_1)
      hash.xor(part.high, part.low).rotate(23).multiply(PRIME_2).add(PRIME_3[0], PRIME_3[1])
      position += 4
    }
    for (; position < end; position++) {
      part.set(0, view.getUint8(position))
      part.multiply(PRIME_5)
      hash.xor(part.high, part.low).rotate(11).multiply(PRIME_1)
    }
    hash.xorShifted(33).multiply(PRIME_2).xorShifted(29).multiply(PRIME_3)
    return (hash.low ^ hash.high) >>> 0
  }

  #merged(): Word64 {
    const lanes = [this.#lane1, this.#lane2, this.#lane3, this.#lane4]
    const hash = new Word64([0, 0])
    for (const [index, lane] of lanes.entries()) {
      const rotated = new Word64([lane.high, lane.low]).rotate([1, 7, 12, 18][index] ?? 0)
      hash.add(rotated.high, rotated.low)
    }
    for (const lane of lanes) {
      const part = new Word64([lane.high, lane.low]).multiply(PRIME_2).rotate(31).multiply(PRIME_1)
      hash.xor(part.high, part.low).multiply(PRIME_1).add(PRIME_4[0], PRIME_4[1])
    }
    return hash
  }
}

function round(lane: Word64, view: DataView, position: number): void {
  const low = view.getInt32(position, true)
  const high = view.getInt32(position + 4, true)
  lane.addProduct(high, low, PRIME_2).rotate(31).multiply(PRIME_1)
}

/** A 64-bit integer in two halves: about twenty times as quick as bigint here. */
class Word64 {
  high: number
  low: number

  constructor([high, low]: Halves) {
    this.high = high | 0
    this.low = low | 0
  }

  set(high: number, low: number): void {
    this.high = high | 0
    this.low = low | 0
  }

  add(high: number, low: number): this {
    const sum = (this.low >>> 0) + (low >>> 0)
    this.high = (this.high + high + (sum > 0xffffffff ? 1 : 0)) | 0
    this.low = sum | 0
    return this
  }

  addProduct(high: number, low: number, factor: Halves): this {
    const productHigh = multiplyHigh(low, factor[1]) + Math.imul(low, factor[0]) + Math.imul(high, factor[1])
    return this.add(productHigh, Math.imul(low, factor[1]))
  }

  multiply(factor: Halves): this {
    const { high, low } = this
    this.high = (multiplyHigh(low, factor[1]) + Math.imul(low, factor[0]) + Math.imul(high, factor[1])) | 0
    this.low = Math.imul(low, factor[1])
    return this
  }

  xor(high: number, low: number): this {
    this.high ^= high
    this.low ^= low
    return this
  }

  /** Rotates left by 1 to 31 bits. */
  rotate(bits: number): this {
    const { high, low } = this
    this.high = (high << bits) | (low >>> (32 - bits))
    this.low = (low << bits) | (high >>> (32 - bits))
    return this
  }

  /** `x ^= x >>> bits`, for 1 to 63 bits. */
  xorShifted(bits: number): this {
    const { high, low } = this
    if (bits >= 32) {
      this.low ^= high >>> (bits - 32)
    } else {
      this.low = low ^ ((low >>> bits) | (high << (32 - bits)))
      this.high = high ^ (high >>> bits)
    }
    return this
  }
}

/** The upper half of the product of two unsigned 32-bit integers. */
function multiplyHigh(left: number, right: number): number {
  const leftLow = left & 0xffff
  const leftHigh = left >>> 16
  const rightLow = right & 0xffff
  const rightHigh = right >>> 16
  const middle = (Math.imul(leftHigh, rightLow) >>> 0) + ((Math.imul(leftLow, rightLow) >>> 0) >>> 16)
  const other = (Math.imul(leftLow, rightHigh) >>> 0) + (middle & 0xffff)
  return (Math.imul(leftHigh, rightHigh) + (middle - (middle & 0xffff)) / 0x10000 + (other >>> 16)) | 0
}
