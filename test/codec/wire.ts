import { ByteWriter } from '../../src/codec/byte-writer.js'
import { type Header, HeaderCodec, type HeaderFields } from '../../src/codec/command.js'
import { FrameDecoder, type FrameSigner, writeFrameHeader } from '../../src/codec/frame.js'
import { string } from '../../src/codec/header-field.js'
import type { NamespaceFields } from '../../src/codec/namespace-fields.js'
import type { FrameHead, RemotingCommand, SerializeType } from '../../src/codec/remoting-command.js'
import { MessageError } from '../../src/errors.js'

/** Runs what must fail on somebody else's data, and returns the error. */
export function faultOf(action: () => unknown): MessageError {
  try {
    action()
  } catch (error) {
    if (error instanceof MessageError) return error
    throw error
  }
  throw new Error('no error was thrown')
}

/** The frames of a stream that comes in these chunks. */
export function decodeFrames(...chunks: readonly Buffer[]): RemotingCommand[] {
  const decoder = new FrameDecoder()
  const frames: RemotingCommand[] = []
  for (const chunk of chunks) decoder.push(chunk, (frame) => frames.push(frame))
  return frames
}

/** The one frame that these bytes are. */
export function decodeFrame(bytes: Buffer): RemotingCommand {
  const [frame, ...more] = decodeFrames(bytes)
  if (frame === undefined || more.length > 0) throw new Error('not exactly one frame')
  return frame
}

/** Everything a frame says, for comparing. */
export function frameFields(frame: RemotingCommand) {
  const { code, language, version, opaque, flag, remark, extFields, serializeType } = frame
  const fields = Object.fromEntries(Object.entries(extFields).sort())
  return { code, language, version, opaque, flag, remark, fields, body: frame.body.toString('hex'), serializeType }
}

export function encodeFrame<T>(
  type: SerializeType,
  head: FrameHead,
  codec: HeaderCodec<T>,
  header: T,
  body: Uint8Array = Buffer.alloc(0),
  signer?: FrameSigner,
  namespace?: NamespaceFields,
): Buffer {
  const writer = new ByteWriter()
  writeFrameHeader(writer, type, head, codec, header, body, signer, namespace)
  writer.bytes(body)
  return writer.take()
}

/** Java's fields as the header that a caller here would pass. */
export function headerFromText(
  codec: HeaderCodec<Record<string, unknown>>,
  fields: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    codec.fields
      .filter(({ wireName }) => fields[wireName] !== undefined)
      .map(({ name, wireName, javaType }) => {
        const text = fields[wireName] ?? ''
        return [name, javaType === 'String' ? text : javaType === 'boolean' ? text === 'true' : Number(text)]
      }),
  )
}

/** A frame with any text fields. */
export function encodeTextFrame(
  type: SerializeType,
  head: FrameHead,
  fields: Readonly<Record<string, string>>,
  body?: Uint8Array,
): Buffer {
  const names = Object.keys(fields)
  const definition: HeaderFields = Object.fromEntries(names.map((name, index) => [`f${index}`, string(name)]))
  const values = Object.fromEntries(names.map((name, index) => [`f${index}`, fields[name]]))
  const codec = new HeaderCodec<Header<HeaderFields>>('test', definition)
  return encodeFrame(type, head, codec, values as Header<HeaderFields>, body)
}

/** A frame with any header, sound or not; `type` is the serialize type's byte. */
export function rawFrame(type: number, header: Uint8Array | string, body: Uint8Array | string = ''): Buffer {
  const headerBytes = Buffer.from(header as string)
  const bodyBytes = Buffer.from(body as string)
  const frame = Buffer.alloc(8 + headerBytes.length + bodyBytes.length)
  frame.writeInt32BE(frame.length - 4, 0)
  frame.writeUInt32BE(type * 2 ** 24 + headerBytes.length, 4)
  frame.set(headerBytes, 8)
  frame.set(bodyBytes, 8 + headerBytes.length)
  return frame
}

export function jsonFrame(header: unknown, body?: Uint8Array | string): Buffer {
  return rawFrame(0, typeof header === 'string' ? header : JSON.stringify(header), body)
}
