import * as zlib from 'node:zlib'
import crc from 'crc-32'

/** From this many bytes on the runtime's own function is quicker than the package. */
const NATIVE_FROM = 256

/** Node has it from 20.15 and 22.2 on. */
const native: ((data: Uint8Array) => number) | undefined = 'crc32' in zlib ? zlib.crc32 : undefined

/** CRC-32 of a body as RocketMQ stores it: of the bytes as sent (compressed, if they are), without the top bit. */
export function crc32(body: Buffer): number {
  return (native === undefined || body.length < NATIVE_FROM ? crc.buf(body) : native(body)) & 0x7fffffff
}
