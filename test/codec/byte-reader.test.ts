import { describe, expect, it } from 'vitest'
import { ByteReader } from '../../src/codec/byte-reader.js'
import { faultOf } from './wire.js'

function readerOf(hex: string): ByteReader {
  return new ByteReader(Buffer.from(hex, 'hex'), 'MESSAGE_MALFORMED')
}

describe('ByteReader', () => {
  it('reads each kind of number, signs included, and moves on', () => {
    const reader = readerOf('ff ff fffe fffffffd ffffffffffffffff 0102'.replaceAll(' ', ''))
    expect([reader.int8('a'), reader.uint8('b'), reader.int16('c'), reader.int32('d'), reader.int64('e')]).toEqual([
      -1, 255, -2, -3, -1,
    ])
    expect([reader.position, reader.remaining]).toEqual([16, 2])
  })

  it('reads bytes as a view and text as UTF-8', () => {
    const reader = readerOf('e4bda0e5a5bd00')
    expect(reader.utf8(6, 'text')).toBe('你好')
    const bytes = reader.bytes(1, 'bytes')
    expect(bytes.buffer).toBe(reader.buffer.buffer)
    expect(bytes.length).toBe(1)
    expect(reader.utf8(0, 'nothing')).toBe('')
  })

  it.each([
    ['int8', (reader: ByteReader) => reader.int8('field')],
    ['uint8', (reader: ByteReader) => reader.uint8('field')],
    ['int16', (reader: ByteReader) => reader.int16('field')],
    ['int32', (reader: ByteReader) => reader.int32('field')],
    ['int64', (reader: ByteReader) => reader.int64('field')],
    ['bytes', (reader: ByteReader) => reader.bytes(1, 'field')],
    ['utf8', (reader: ByteReader) => reader.utf8(1, 'field')],
    ['skip', (reader: ByteReader) => reader.skip(1, 'field')],
    ['length16', (reader: ByteReader) => reader.length16('field')],
    ['length32', (reader: ByteReader) => reader.length32('field')],
  ])('names the field that %s found no room for, and stays where it was', (_, read) => {
    const reader = readerOf('00000000000000000000')
    reader.position = 3
    reader.end = 3
    const fault = faultOf(() => read(reader))
    expect(fault.code).toBe('MESSAGE_MALFORMED')
    expect(fault.position).toBe(3)
    expect(fault.message).toContain('field needs')
    expect(reader.position).toBe(3)
  })

  it('refuses to read backwards', () => {
    expect(faultOf(() => readerOf('0000').bytes(-1, 'field')).message).toContain('field needs -1 bytes')
  })

  it.each([
    ['length16', 'ffff0000', -1],
    ['length16', '8000', -32_768],
    ['length16', '000300', 3],
    ['length32', 'ffffffff', -1],
    ['length32', '80000000', -2_147_483_648],
    ['length32', '7fffffff00', 2_147_483_647],
  ] as const)('refuses a %s of %s, and tells where it stood', (method, hex, length) => {
    const reader = readerOf(hex)
    const fault = faultOf(() => reader[method]('body'))
    expect(fault.message).toContain(`body has length ${length}`)
    expect(fault.position).toBe(0)
  })

  it('takes a length of exactly what is left', () => {
    expect(readerOf('0002aabb').length16('body')).toBe(2)
    expect(readerOf('00000000').length32('body')).toBe(0)
  })
})
