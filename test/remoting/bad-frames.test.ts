import { describe, expect, it } from 'vitest'
import { RemotingError } from '../../src/errors.js'
import { ask, remotingClient } from '../support/remoting-under-test.js'
import { ANSWER, frame, type ScriptedConnection, scriptedServer } from '../support/scripted-server.js'
import { rejectionOf, until } from '../support/until.js'

/** A frame of these parts, whatever they are. */
function rawFrame(type: number, headerLength: number, rest: Uint8Array): Buffer {
  const lengths = Buffer.alloc(8)
  lengths.writeInt32BE(4 + rest.length, 0)
  lengths.writeUInt32BE(((type << 24) | headerLength) >>> 0, 4)
  return Buffer.concat([lengths, rest])
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const json = (text: string) => rawFrame(0, Buffer.byteLength(text), Buffer.from(text))

/** A binary header: code, language, version, opaque, flag, then what the test wants. */
function binary(tail: Uint8Array): Buffer {
  const head = Buffer.alloc(13)
  head.writeInt32BE(ANSWER, 9)
  const header = Buffer.concat([head, tail])
  return rawFrame(1, header.length, header)
}

const GARBAGE: [string, Buffer][] = [
  ['a frame length of 0', int32(0)],
  ['a frame length of 3', Buffer.concat([int32(3), Buffer.alloc(3)])],
  ['a negative frame length', int32(-1)],
  ['the smallest frame length', int32(-0x8000_0000)],
  ['a frame length of 2 GiB', int32(0x7fff_ffff)],
  ['a frame one byte over maxFrameSize', int32(16 * 1024 * 1024 - 3)],
  ['an HTTP answer', Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
  ['a TLS alert', Buffer.from([0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28])],
  ['an SSH greeting', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')],
  ['a header longer than its frame', rawFrame(0, 500, Buffer.from('{}'))],
  ['the longest header length', rawFrame(0, 0xff_ffff, Buffer.from('{}'))],
  ['an unknown serialize type', rawFrame(2, 2, Buffer.from('{}'))],
  ['the last serialize type', rawFrame(255, 2, Buffer.from('{}'))],
  ['an empty JSON header', rawFrame(0, 0, Buffer.alloc(0))],
  ['a JSON header that is null', json('null')],
  ['a JSON header that is a list', json('[1]')],
  ['a JSON header that is a number', json('7')],
  ['a JSON header that ends early', json('{"code":0,"opaque":0')],
  ['a JSON header without code', json('{"opaque":0,"flag":1}')],
  ['a JSON header without opaque', json('{"code":0,"flag":1}')],
  ['a JSON header without flag', json('{"code":0,"opaque":0}')],
  ['a JSON header with an opaque beyond int32', json('{"code":0,"opaque":4294967296,"flag":1}')],
  ['a JSON header with NaN', json('{"code":NaN,"opaque":0,"flag":1}')],
  ['a JSON header with a byte order mark', json('\ufeff{"code":0,"opaque":0,"flag":1}')],
  ['a JSON header that is no UTF-8', rawFrame(0, 4, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))],
  ['a JSON header nested 10,000 deep', json(`{"code":0,"opaque":0,"flag":1,"x":${'['.repeat(10_000)}`)],
  ['an ext field that is an object', json('{"code":0,"opaque":0,"flag":1,"extFields":{"a":{}}}')],
  ['ext fields that are a list', json('{"code":0,"opaque":0,"flag":1,"extFields":["a"]}')],
  ['a binary header that is too short', rawFrame(1, 5, Buffer.alloc(5))],
  ['a binary header with a negative remark length', binary(Buffer.concat([int32(-1), int32(0)]))],
  ['a binary header with a remark beyond its end', binary(Buffer.concat([int32(1_000), int32(0)]))],
  ['a binary header with negative ext fields', binary(Buffer.concat([int32(0), int32(-9)]))],
  ['a binary header with bytes left over', binary(Buffer.concat([int32(0), int32(0), Buffer.from('more')]))],
  ['a binary header with an ext field beyond its end', binary(Buffer.concat([int32(0), int32(4), int32(0x7fff_0000)]))],
]

describe('what is no frame', () => {
  it.each(GARBAGE)('closes the connection: %s', async (_what, bytes) => {
    const server = await scriptedServer({
      script: (request, connection) => {
        if (request.field('text') === 'ok') connection.answer(request)
        else if (connection.requests.length === 3) connection.write(bytes)
      },
    })
    const client = remotingClient()
    const errors = await Promise.all(
      Array.from({ length: 3 }, () => rejectionOf(client.invoke(server.address, ask, {}))),
    )
    for (const error of errors) {
      expect(error).toBeInstanceOf(RemotingError)
      expect(error).toMatchObject({ code: 'PROTOCOL_ERROR', address: server.address, sent: true })
      expect(error.message).toContain(server.address)
      expect(error.message.length).toBeLessThan(600)
    }
    await until(() => server.connection(0).isClosed)
    await expect(client.invoke(server.address, ask, { text: 'ok' })).resolves.toMatchObject({ code: 0 })
    expect(server.connections).toHaveLength(2)
  })

  it('leaves calls to other addresses alone', async () => {
    const bad = await scriptedServer({ script: (_, connection) => connection.write(int32(-1)) })
    const good = await scriptedServer({ script: (_, connection) => void connection })
    const client = remotingClient()
    await client.connect(good.address)
    const call = client.invoke(good.address, ask, {})
    const request = await until(() => good.requests[0])
    expect(await rejectionOf(client.invoke(bad.address, ask, {}))).toMatchObject({ code: 'PROTOCOL_ERROR' })
    good.connection(0).answer(request)
    await expect(call).resolves.toMatchObject({ code: 0 })
    expect(good.connections).toHaveLength(1)
  })

  it('does not undo the answers that came before it in the same chunk', async () => {
    const server = await scriptedServer({
      script: (_, connection) => {
        const [first, second] = connection.requests
        if (first === undefined || second === undefined) return
        connection.write(Buffer.concat([frame({ opaque: first.opaque, flag: ANSWER, remark: 'fine' }), int32(-1)]))
      },
    })
    const client = remotingClient()
    const calls = [client.invoke(server.address, ask, {}), client.invoke(server.address, ask, {})]
    const [first, second] = await Promise.allSettled(calls)
    expect(first).toMatchObject({ status: 'fulfilled', value: { command: { remark: 'fine' } } })
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'PROTOCOL_ERROR' } })
  })

  it('takes a frame of exactly maxFrameSize, and refuses one byte more', async () => {
    const maxFrameSize = 64 * 1024
    const overhead = frame({ flag: ANSWER, opaque: 0 }).length
    const server = await scriptedServer({
      script: (request, connection) =>
        connection.answer(request, { body: Buffer.alloc(maxFrameSize - overhead + Number(request.field('text'))) }),
    })
    const client = remotingClient({ maxFrameSize })
    await expect(client.invoke(server.address, ask, { text: '0' })).resolves.toMatchObject({ code: 0 })
    const error = await rejectionOf(client.invoke(server.address, ask, { text: '1' }))
    expect(error).toMatchObject({ code: 'PROTOCOL_ERROR' })
    expect(error.message).toContain('maxFrameSize')
  })

  it('takes names of an ext field such as __proto__ as plain data', async () => {
    const text = '{"code":0,"opaque":0,"flag":1,"extFields":{"__proto__":"a","constructor":"b","toString":"c","":"d"}}'
    const server = await scriptedServer({ script: (_, connection) => connection.write(json(text)) })
    const { command } = await remotingClient().invoke(server.address, ask, {})
    expect(Object.entries(command.extFields)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['toString', 'c'],
      ['', 'd'],
    ])
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})

describe('a connection that ends in the middle', () => {
  const answer = frame({ opaque: 0, flag: ANSWER, remark: 'never whole', body: Buffer.from('with a body') })
  const headerEnd = answer.length - 'with a body'.length
  const endings: [string, (connection: ScriptedConnection) => void][] = [
    ['closed', (connection) => connection.socket.end()],
    ['reset', (connection) => connection.reset()],
  ]

  it.each(endings)('fails the calls in flight when it is %s at any byte, and opens a new one', async (_how, end) => {
    let cut = 0
    const server = await scriptedServer({
      script: (request, connection) => {
        if (request.field('text') === 'next') connection.answer(request)
        else if (connection.requests.length === 1) return
        // A reset discards what the peer has not read yet: let the bytes go out first.
        else if (cut === 0) end(connection)
        else connection.socket.write(answer.subarray(0, cut), () => end(connection))
      },
    })
    const cuts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 40, headerEnd - 1, headerEnd, headerEnd + 1, answer.length - 1]
    for (cut of cuts) {
      const client = remotingClient()
      const calls = [client.invoke(server.address, ask, {}), client.invoke(server.address, ask, {})]
      for (const error of await Promise.all(calls.map(rejectionOf))) {
        expect(error).toBeInstanceOf(RemotingError)
        expect(error).toMatchObject({ code: 'CONNECTION_CLOSED', address: server.address, sent: true })
      }
      await expect(client.invoke(server.address, ask, { text: 'next' })).resolves.toMatchObject({ code: 0 })
    }
    expect(server.connections).toHaveLength(2 * cuts.length)
  })

  it('is no fault when the last byte of the answer was there', async () => {
    const server = await scriptedServer({
      script: (request, connection) => {
        connection.answer(request, { remark: 'whole' })
        connection.socket.end()
      },
    })
    const client = remotingClient()
    for (let i = 0; i < 5; i++) {
      const { command } = await client.invoke(server.address, ask, {})
      expect(command.remark).toBe('whole')
      await until(() => !client.isConnected(server.address))
    }
    expect(server.connections).toHaveLength(5)
  })

  it('puts an answer together that comes in single bytes', async () => {
    const bytes = frame({ opaque: 0, flag: ANSWER, remark: 'byte by byte' })
    const server = await scriptedServer({
      script: async (_request, { socket }) => {
        for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.of(byte), resolve))
      },
    })
    const { command } = await remotingClient().invoke(server.address, ask, {})
    expect(command.remark).toBe('byte by byte')
  })
})
