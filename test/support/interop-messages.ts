import type { Message } from '../../src/index.js'
import { bodyOf } from './deterministic-body.js'
import type { BodySpec, MessageSpec } from './oracle-verbs.js'

const KIB = 1024
const MIB = 1024 * KIB
/** The largest body that brokers of 5.x take by default. Brokers of 4.x count header and properties too. */
const LARGEST = 4 * MIB
/** Bodies that compression can't shrink must leave room for what it adds. */
const MARGIN = 64 * KIB

const TAGS = ['TagA', 'TagB', 'Größe', '标签', 'тег', '😀', 'a b', '%|-_']
const WORDS = [
  'order',
  'Straße',
  '订单',
  'заказ',
  'naïve',
  '日本語',
  '🚀',
  '"quoted"',
  'back\\slash',
  '{"a":1}',
  'x=y;z',
  'Ω',
]

export interface InteropOptions {
  readonly seed: number
  /** Whether bodies may have the full 4 MiB. */
  readonly takesLargest: boolean
}

/** Message `index` of a run: the same for the same seed, in whatever order they are asked for. */
export function interopMessage(options: InteropOptions, index: number): MessageSpec {
  const random = generator(options.seed, index)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
  const tags = random() < 0.8 ? pick(TAGS) : undefined
  const keys = Array.from({ length: Math.floor(random() * 4) }, (_, i) => `${pick(WORDS)}-${index}-${i}`)
  const properties: Record<string, string> = { index: String(index) }
  for (let i = Math.floor(random() * 5); i > 0; i--) properties[`${pick(WORDS)}.${i}`] = `${pick(WORDS)} ${pick(WORDS)}`
  if (random() < 0.01) properties.long = pick(WORDS).repeat(Math.floor(random() * 500) + 1)
  return {
    body: body(options, index, random),
    properties,
    flag: random() < 0.5 ? 0 : Math.floor(random() * 2 ** 32) | 0,
    ...(tags !== undefined && { tags }),
    ...(keys.length > 0 && { keys }),
  }
}

/** The bytes that a specification stands for. */
export function bytesOf(body: BodySpec): Buffer {
  if ('text' in body) return Buffer.from(body.text)
  if ('base64' in body) return Buffer.from(body.base64, 'base64')
  return bodyOf(body.seed, body.index ?? 0, body.size)
}

/** A specification as a message of this client. */
export function toMessage(spec: MessageSpec, topic: string): Message {
  const { tags, keys, flag = 0, properties = {} } = spec
  return {
    topic,
    body: bytesOf(spec.body),
    flag,
    properties: { ...properties },
    ...(tags !== undefined && { tags }),
    ...(keys !== undefined && { keys }),
  }
}

/** Half of them text, which compression shrinks, half noise. Most are under 4 KiB, one of 500 is over 1 MiB. */
function body({ seed, takesLargest }: InteropOptions, index: number, random: () => number): BodySpec {
  const kind = random()
  const upTo = (from: number, to: number) => from + Math.floor(random() * (to - from))
  if (index % 5_000 === 4_999) return text(takesLargest ? LARGEST : LARGEST - MARGIN, index)
  if (kind < 0.002) return { seed, index, size: upTo(MIB, LARGEST - MARGIN) }
  if (kind < 0.012) return { seed, index, size: upTo(16 * KIB, 128 * KIB) }
  if (kind < 0.02) return text(upTo(16 * KIB, 64 * KIB), index)
  // Around the size from which Java compresses.
  if (kind < 0.05) return { seed, index, size: upTo(4 * KIB - 3, 4 * KIB + 4) }
  if (kind < 0.08) return text(upTo(4 * KIB, 16 * KIB), index)
  const size = 1 + Math.min(4 * KIB, Math.floor(-600 * Math.log(1 - random())))
  return kind < 0.5 ? { seed, index, size } : text(size, index)
}

function text(size: number, index: number): BodySpec {
  const sentence = `Nachricht ${index}: ${WORDS.join(' ')} `
  const whole = Buffer.from(sentence.repeat(Math.ceil(size / Buffer.byteLength(sentence)))).subarray(0, size)
  // A character that was cut in the middle makes room for blanks.
  const readable = whole.toString().replace(/\ufffd+$/, '')
  return { text: readable + ' '.repeat(size - Buffer.byteLength(readable)) }
}

/** Uniform numbers from 0 to 1 (mulberry32), of a sequence of its own for each index. */
function generator(seed: number, index: number): () => number {
  let state = seed ^ Math.imul(index + 1, 0x9e3779b1)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
