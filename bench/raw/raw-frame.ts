const BINARY = 1
const LANGUAGE_OTHER = 7
/** Of an old client, which no server treats in a special way. */
const VERSION = 401
/** The flag of a request that is not answered. */
export const ONEWAY = 2

export type RawFields = Readonly<Record<string, string | number | boolean>>

/** A whole request frame with a JSON header, written the plain way. */
export function encodeJsonFrame(
  code: number,
  opaque: number,
  fields: RawFields,
  body: Uint8Array | undefined,
  flag = 0,
): Buffer {
  const extFields: Record<string, string> = {}
  for (const name of Object.keys(fields)) extFields[name] = String(fields[name])
  const header = Buffer.from(
    JSON.stringify({ code, language: 'OTHER', version: VERSION, opaque, flag, extFields }),
    'utf8',
  )
  return frameOf(header, 0, body)
}

/** A whole request frame with a binary header. */
export function encodeBinaryFrame(
  code: number,
  opaque: number,
  fields: RawFields,
  body: Uint8Array | undefined,
): Buffer {
  const parts: Buffer[] = []
  for (const name of Object.keys(fields)) {
    const value = Buffer.from(String(fields[name]))
    const head = Buffer.alloc(2 + name.length + 4)
    head.writeInt16BE(name.length)
    head.write(name, 2, 'latin1')
    head.writeInt32BE(value.length, 2 + name.length)
    parts.push(head, value)
  }
  const entries = Buffer.concat(parts)
  const header = Buffer.alloc(21 + entries.length)
  header.writeInt16BE(code)
  header.writeInt8(LANGUAGE_OTHER, 2)
  header.writeInt16BE(VERSION, 3)
  header.writeInt32BE(opaque, 5)
  header.writeInt32BE(entries.length, 17)
  entries.copy(header, 21)
  return frameOf(header, BINARY, body)
}

function frameOf(header: Buffer, serializeType: number, body: Uint8Array | undefined): Buffer {
  const bodyLength = body?.length ?? 0
  const frame = Buffer.allocUnsafe(8 + header.length + bodyLength)
  frame.writeInt32BE(4 + header.length + bodyLength, 0)
  frame.writeInt32BE((serializeType << 24) | header.length, 4)
  header.copy(frame, 8)
  if (body !== undefined) frame.set(body, 8 + header.length)
  return frame
}

/** Where things stand in a frame whose length word is at `start`. */
export function headerLengthAt(data: Buffer, start: number): number {
  return data.readInt32BE(start + 4) & 0xff_ffff
}

export interface JsonHeader {
  readonly code: number
  readonly opaque: number
  readonly remark?: string
  readonly extFields?: Readonly<Record<string, string>>
}

/** The header of a frame that has it in JSON. */
export function jsonHeaderAt(data: Buffer, start: number): JsonHeader {
  return JSON.parse(data.toString('utf8', start + 8, start + 8 + headerLengthAt(data, start))) as JsonHeader
}

/** Cuts a stream of chunks into frames; `onFrame` gets the place of each, from its length word to its end. */
export class FrameSplitter {
  readonly #onFrame: (data: Buffer, start: number, end: number) => void
  #rest: Buffer | undefined

  constructor(onFrame: (data: Buffer, start: number, end: number) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Buffer): void {
    const data = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    let start = 0
    while (start + 4 <= data.length) {
      const end = start + 4 + data.readInt32BE(start)
      if (end > data.length) break
      this.#onFrame(data, start, end)
      start = end
    }
    this.#rest = start === data.length ? undefined : data.subarray(start)
  }
}
