import { DEFAULT_MAX_FRAME_SIZE } from '../../../src/codec/frame.js'
import type { Random } from '../../codec/mutation.js'
import { mutate } from '../../codec/mutation.js'
import { rawFrame } from '../../codec/wire.js'
import { type Answer, type BadKind, binary, costly, headerOf, int32, json, kind, pick, withHeader } from './answer.js'

/** Where things stand in a frame with a binary header that has no remark. */
const REMARK_LENGTH = 21
const FIELDS_LENGTH = 25
const FIRST_NAME_LENGTH = 29

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

function patched(bytes: Buffer, at: number, value: number): Buffer {
  bytes.writeInt32BE(value | 0, at)
  return bytes
}

function patchedName(answer: Answer, length: number): Buffer {
  const bytes = binary(answer, { name: 'value' })
  bytes.writeInt16BE(length, FIRST_NAME_LENGTH)
  return bytes
}

function cut(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, 1 + random(bytes.length - 1))
}

/** A JSON header without one of its members, or with another value for it. */
const member = (name: string, values: readonly unknown[]) =>
  kind(`a JSON header whose ${name} is missing or no int`, 'refused', (answer, random) =>
    json(answer, { [name]: pick(values, random) }),
  )

const NOT_INT = [undefined, null, '0', 0.5, 2 ** 31, -(2 ** 31) - 1, 1e300, {}, [], true]

/** Answers that are no frames, or frames whose header can't be read: the connection is worth nothing afterwards. */
export const badFrames: readonly BadKind[] = [
  kind('a frame length of 0 to 3', 'refused', (answer, random) => patched(json(answer), 0, random(4))),
  kind('a negative frame length', 'refused', (answer, random) => patched(json(answer), 0, -1 - random(2 ** 31))),
  kind('a frame length above the limit', 'refused', (answer, random) =>
    patched(json(answer), 0, DEFAULT_MAX_FRAME_SIZE - 3 + random(2 ** 30)),
  ),
  kind('a header longer than its frame', 'refused', (answer, random) => {
    const bytes = json(answer)
    return patched(bytes, 4, Math.min(0xff_ffff, bytes.length - 7 + random(2 ** 24)))
  }),
  kind('a header length of 24 ones', 'refused', (answer) => patched(json(answer), 4, 0xff_ffff)),
  kind('an unknown serialize type', 'refused', (answer, random) => {
    const bytes = json(answer)
    bytes.writeUInt8(2 + random(254), 4)
    return bytes
  }),
  kind('a header of another type than it says', 'refused', (answer, random) => {
    const bytes = random(2) === 0 ? json(answer) : binary(answer)
    bytes.writeUInt8(1 - (bytes[4] ?? 0), 4)
    return bytes
  }),
  kind('a JSON header that is empty, null, a list, a number or a text', 'refused', (answer, random) =>
    withHeader(answer, pick(['', ' ', 'null', '[]', '7', '"text"', 'true'], random)),
  ),
  kind('a JSON header that is cut off', 'refused', (answer, random) => {
    const text = JSON.stringify(headerOf(answer))
    return withHeader(answer, text.slice(0, random(text.length)))
  }),
  kind('a JSON header that is nested ten thousand deep', 'refused', (answer, random) =>
    withHeader(answer, pick([deep(10_000), '{"a":'.repeat(10_000), '['.repeat(10_000)], random)),
  ),
  kind('a JSON header with an unknown member ten thousand deep', 'open', (answer) =>
    withHeader(answer, JSON.stringify(headerOf(answer)).replace('{', `{"unknown":${deep(10_000)},`)),
  ),
  kind('a JSON header with NaN, bare keys, comments or a byte order mark', 'refused', (answer, random) => {
    const text = JSON.stringify(headerOf(answer))
    const spoilt = [
      text.replace(/"code":\d+/, '"code":NaN'),
      text.replace('"code"', 'code'),
      `/**/${text}`,
      `\ufeff${text}`,
    ]
    return withHeader(answer, pick([...spoilt, `${text},`, `${text}{}`], random))
  }),
  kind('a JSON header that is no UTF-8', 'refused', (answer, random) => {
    const text = Buffer.from(JSON.stringify({ ...headerOf(answer), remark: '????' }))
    const bad = pick(['ff', 'c0af', 'eda080', 'f5808080', '80'], random)
    text.set(Buffer.from(bad, 'hex'), text.indexOf('????'))
    return withHeader(answer, text)
  }),
  kind('a JSON header with a lone surrogate, or equal keys', 'open', (answer, random) => {
    const text = JSON.stringify({ ...headerOf(answer), remark: '\ud800' })
    return withHeader(answer, random(2) === 0 ? text : text.replace('{', '{"code":1,"opaque":-7,"flag":0,'))
  }),
  member('code', NOT_INT),
  member('opaque', NOT_INT),
  member('flag', NOT_INT),
  kind('a JSON header whose fields are a list, a text or a number', 'refused', (answer, random) =>
    json(answer, { extFields: pick([[], ['a'], 'a=b', 7, true], random) }),
  ),
  kind('a JSON header with a field that is an object or a list', 'refused', (answer, random) =>
    json(answer, { extFields: { ...answer.fields, more: pick([{}, [], { a: 1 }, [[]]], random) } }),
  ),
  costly(
    kind('a header of more than a mebibyte', 'refused', (answer, random) =>
      rawFrame(random(2), JSON.stringify({ ...headerOf(answer), remark: 'x'.repeat(1024 * 1024) }), answer.body),
    ),
  ),
  kind('a binary header that is shorter than its fields', 'refused', (answer, random) => {
    const header = binary(answer, { ...answer.fields, name: 'value' }).subarray(8)
    const length = header.length - answer.body.length
    return rawFrame(1, header.subarray(0, random(length)), answer.body)
  }),
  kind('a binary header with bytes left over', 'refused', (answer, random) => {
    const header = binary(answer).subarray(8)
    const end = header.length - answer.body.length
    return rawFrame(1, Buffer.concat([header.subarray(0, end), Buffer.alloc(1 + random(9))]), answer.body)
  }),
  kind('a binary header with a negative remark length, or one beyond it', 'refused', (answer, random) =>
    patched(binary(answer), REMARK_LENGTH, pick([-1, -(2 ** 31), 2 ** 20, 2 ** 31 - 1], random)),
  ),
  kind('a binary header with a negative length of its fields, or one beyond it', 'refused', (answer, random) =>
    patched(binary(answer), FIELDS_LENGTH, pick([-1, -(2 ** 31), 2 ** 20, 2 ** 31 - 1], random)),
  ),
  kind('a binary header with a negative length of a name, or one beyond it', 'refused', (answer, random) =>
    patchedName(answer, pick([-1, -32_768, 100, 32_767], random)),
  ),
  kind('another protocol', 'refused', (_answer, random) =>
    pick(
      [
        Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
        Buffer.from('15030300020228', 'hex'),
        Buffer.from('00001204000000000000030000006400040010000000060000200000fe0300000001', 'hex'),
        Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
      ],
      random,
    ),
  ),
  kind('an answer behind which garbage follows', 'open', (answer, random) =>
    Buffer.concat([json(answer), Buffer.from(Array.from({ length: 4 + random(60) }, () => 128 + random(128)))]),
  ),
  kind('an answer with some bytes changed', 'open', (answer, random) => mutate(json(answer), random).bytes),
  kind('a binary answer with some bytes changed', 'open', (answer, random) => mutate(binary(answer), random).bytes),
  kind('an answer that ends in the middle', 'silence', (answer, random) =>
    cut(random(2) === 0 ? json(answer) : binary(answer), random),
  ),
  kind('a frame of the largest size that never comes', 'silence', (answer) =>
    patched(json(answer), 0, DEFAULT_MAX_FRAME_SIZE - 4),
  ),
  kind('four bytes that promise a frame', 'silence', () => int32(1000)),
]
