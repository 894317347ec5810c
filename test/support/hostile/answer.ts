import type { Random } from '../../codec/mutation.js'
import { encodeTextFrame, jsonFrame, rawFrame } from '../../codec/wire.js'
import { ANSWER } from '../scripted-server.js'

/** What an honest server would answer to a request, for others to spoil. */
export interface Answer {
  readonly code: number
  readonly opaque: number
  readonly fields: Readonly<Record<string, string>>
  readonly body: Buffer
}

/**
 * What a caller gets of a bad answer. `'refused'`: an error. `'silence'`: nothing, so that only its deadline or the end of the connection ends the call. `'open'`: an error,
 * or a result where what is wrong is not this call's business.
 */
export type Effect = 'refused' | 'silence' | 'open'

/** One kind of bad answers. */
export interface BadKind {
  readonly name: string
  readonly effect: Effect
  /** Which requests can be answered so; all, where it does not say. */
  readonly codes?: readonly number[]
  /** Takes a hundred times as long to read as others: is given so much less often. */
  readonly isCostly?: boolean
  bytes(answer: Answer, random: Random): Buffer
}

export function kind(name: string, effect: Effect, bytes: BadKind['bytes'], codes?: readonly number[]): BadKind {
  return codes === undefined ? { name, effect, bytes } : { name, effect, bytes, codes }
}

export function costly(one: BadKind): BadKind {
  return { ...one, isCostly: true }
}

/** Text that is made once, when it is first asked for. */
export function lazy(make: () => string): () => string {
  let made: string | undefined
  return () => {
    made ??= make()
    return made
  }
}

const VERSION = 493

/** The members of an answer's JSON header. */
export function headerOf(answer: Answer): Record<string, unknown> {
  const { code, opaque, fields } = answer
  return { code, language: 'JAVA', version: VERSION, opaque, flag: ANSWER, extFields: fields }
}

export function json(answer: Answer, changes: Readonly<Record<string, unknown>> = {}): Buffer {
  return jsonFrame({ ...headerOf(answer), ...changes }, answer.body)
}

/** A JSON header that is whatever text or bytes. */
export function withHeader(answer: Answer, header: string | Buffer): Buffer {
  return rawFrame(0, header, answer.body)
}

/** With a binary header, where its code has room in one. */
export function binary(answer: Answer, fields: Readonly<Record<string, string>> = answer.fields): Buffer {
  const { code, opaque, body } = answer
  return encodeTextFrame('ROCKETMQ', { code: code > 0x7fff ? 1 : code, opaque, flag: ANSWER }, fields, body)
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value | 0)
  return bytes
}

export function pick<T>(list: readonly T[], random: Random): T {
  return list[random(list.length)] as T
}
