const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1
const STRIPE = 16

/**
 * xxHash32 with seed 0, the checksum of LZ4 frames.
 *
 * Takes the data in order, in parts: every part but the last one must be a multiple of 16 bytes long. It keeps no copy of them.
 */
export class XxHash32 {
  #lane1 = (PRIME_1 + PRIME_2) | 0
  #lane2 = PRIME_2 | 0
  #lane3 = 0
  #lane4 = -PRIME_1 | 0
  #length = 0

  update(view: DataView, start: number, end: number): void {
    let lane1 = this.#lane1
    let lane2 = this.#lane2
    let lane3 = this.#lane3
    let lane4 = this.#lane4
    for (let position = start; position < end; position += STRIPE) {
      lane1 = round(lane1, view.getInt32(position, true))
      lane2 = round(lane2, view.getInt32(position + 4, true))
      lane3 = round(lane3, view.getInt32(position + 8, true))
      lane4 = round(lane4, view.getInt32(position + 12, true))
    }
    this.#lane1 = lane1
    this.#lane2 = lane2
    this.#lane3 = lane3
    this.#lane4 = lane4
    this.#length += end - start
  }

  /** Adds the last part, of any length, and returns the hash as an unsigned number. */
  digest(view: DataView, start: number, end: number): number {
    let position = end - ((end - start) % STRIPE)
    this.update(view, start, position)
    let hash =
      this.#length === 0
        ? PRIME_5
        : rotate(this.#lane1, 1) + rotate(this.#lane2, 7) + rotate(this.#lane3, 12) + rotate(this.#lane4, 18)
    hash = (hash + this.#length + end - position) | 0
    for (; position + 4 <= end; position += 4) {
      hash = (hash + Math.imul(view.getInt32(position, true), PRIME_3)) | 0
      hash = Math.imul(rotate(hash, 17), PRIME_4)
    }
    for (; position < end; position++) {
      hash = (hash + Math.imul(view.getUint8(position), PRIME_5)) | 0
      hash = Math.imul(rotate(hash, 11), PRIME_1)
    }
    hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
    hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
    return (hash ^ (hash >>> 16)) >>> 0
  }
}

/** xxHash32 with seed 0 of the bytes from `start` to `end`. */
export function xxHash32(view: DataView, start: number, end: number): number {
  return new XxHash32().digest(view, start, end)
}

function round(lane: number, input: number): number {
  return Math.imul(rotate((lane + Math.imul(input, PRIME_2)) | 0, 13), PRIME_1)
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
