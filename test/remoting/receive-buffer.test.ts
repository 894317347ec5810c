import { describe, expect, it } from 'vitest'
import { ReceiveBuffer } from '../../src/remoting/receive-buffer.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { scriptedServer } from '../support/scripted-server.js'

const SIZE = 16 * 1024

/** Reads as a socket does: into the space that is given, as far as it goes. */
function read(buffer: ReceiveBuffer, text: string): Buffer {
  const length = buffer.space().write(text)
  return buffer.filled(length)
}

describe('ReceiveBuffer', () => {
  it('puts reads side by side, and never writes again what it handed out', () => {
    const buffer = new ReceiveBuffer(SIZE)
    const chunks = Array.from({ length: 200 }, (_, i) => read(buffer, `${i}`.padStart(500, '.')))
    expect(chunks.map(String)).toEqual(chunks.map((_, i) => `${i}`.padStart(500, '.')))
    const [first, second] = chunks
    expect(second?.buffer).toBe(first?.buffer)
    expect(second?.byteOffset).toBe(500)
  })

  it('takes a new slab before what is left of one gets too small to be worth a read', () => {
    const buffer = new ReceiveBuffer(SIZE)
    read(buffer, 'x'.repeat(SIZE - SIZE / 8))
    expect(buffer.space()).toHaveLength(SIZE / 8)
    read(buffer, 'y')
    expect(buffer.space()).toHaveLength(SIZE)
  })
})

describe('a connection with small slabs', () => {
  it('reads answers of any size, in any number', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        const size = Number(request.field('text'))
        connection.answer(request, { body: Buffer.alloc(size, size) })
      },
    })
    const client = remotingClient({ receiveBufferSize: SIZE })
    const sizes = Array.from({ length: 300 }, (_, i) => (i * 997) % 50_000)
    const answers = await Promise.all(sizes.map((size) => client.invoke(server.address, ask, { text: `${size}` })))
    answers.forEach(({ body }, i) => {
      expect(body.equals(Buffer.alloc(sizes[i] ?? 0, sizes[i]))).toBe(true)
    })
  })
})
