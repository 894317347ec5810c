import { describe, expect, it } from 'vitest'
import { Socks5Handshake } from '../../src/remoting/socks5-handshake.js'

const TARGET = { host: '10.1.2.3', port: 10911 }
const USER = { username: 'user', password: 'pass' }
const PORT = [0x2a, 0x9f]
const OPENED = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]

const bytes = (...values: number[]) => Buffer.from(values)

describe('a SOCKS5 handshake', () => {
  it('without a user offers no authentication and asks for the target', () => {
    const handshake = new Socks5Handshake(TARGET, undefined)
    expect(handshake.greeting()).toEqual(bytes(5, 1, 0))
    expect(handshake.receive(bytes(5, 0))).toEqual(bytes(5, 1, 0, 1, 10, 1, 2, 3, ...PORT))
    expect(handshake.receive(bytes(...OPENED))).toBe('OPEN')
  })

  it('with a user gives name and password where the proxy wants them', () => {
    const handshake = new Socks5Handshake(TARGET, USER)
    expect(handshake.greeting()).toEqual(bytes(5, 2, 0, 2))
    expect(handshake.receive(bytes(5, 2))).toEqual(Buffer.from('\x01\x04user\x04pass'))
    expect(handshake.receive(bytes(1, 0))).toEqual(bytes(5, 1, 0, 1, 10, 1, 2, 3, ...PORT))
    expect(handshake.receive(bytes(...OPENED))).toBe('OPEN')
  })

  it('with a user keeps the password back where the proxy does not want it', () => {
    expect(new Socks5Handshake(TARGET, USER).receive(bytes(5, 0))).toEqual(bytes(5, 1, 0, 1, 10, 1, 2, 3, ...PORT))
  })

  it.each<[string, number[]]>([
    ['broker.example', [3, 14, ...Buffer.from('broker.example')]],
    ['192.0.2.255', [1, 192, 0, 2, 255]],
    ['::1', [4, ...Array<number>(15).fill(0), 1]],
    ['::', [4, ...Array<number>(16).fill(0)]],
    ['2001:db8::a:b', [4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa, 0, 0xb]],
    ['fe80::1%eth0', [4, 0xfe, 0x80, ...Array<number>(13).fill(0), 1]],
    ['::ffff:10.0.0.1', [4, ...Array<number>(10).fill(0), 0xff, 0xff, 10, 0, 0, 1]],
    ['1:2:3:4:5:6:7:8', [4, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
  ])('asks for %s as an address of its kind', (host, address) => {
    const handshake = new Socks5Handshake({ host, port: 10911 }, undefined)
    expect(handshake.receive(bytes(5, 0))).toEqual(bytes(5, 1, 0, ...address, ...PORT))
  })

  it.each<[string, number[]]>([
    ['IPv4', OPENED],
    ['IPv6', [5, 0, 0, 4, ...Array<number>(18).fill(0)]],
    ['a name', [5, 0, 0, 3, 4, ...Buffer.from('host'), 0, 80]],
    ['an empty name', [5, 0, 0, 3, 0, 0, 80]],
  ])('is read byte by byte as well: the proxy names %s', (_what, reply) => {
    const handshake = new Socks5Handshake(TARGET, USER)
    expect(handshake.receive(bytes(5))).toBe('READ')
    expect(handshake.receive(bytes(2))).toBeInstanceOf(Buffer)
    expect(handshake.receive(bytes(1))).toBe('READ')
    expect(handshake.receive(bytes(0))).toBeInstanceOf(Buffer)
    for (const byte of reply.slice(0, -1)) expect(handshake.receive(bytes(byte))).toBe('READ')
    expect(handshake.receive(bytes(reply.at(-1) ?? 0))).toBe('OPEN')
  })

  it.each<[string, number[], RegExp]>([
    ['is an HTTP server', [...Buffer.from('HTTP/1.1 400')], /no SOCKS5 proxy/],
    ['speaks SOCKS4', [0, 0x5b], /no SOCKS5 proxy/],
    ['offers nothing', [5, 0xff], /without a user name \(socksProxy\.username\)/],
    ['wants GSSAPI', [5, 1], /way of authentication 1, which was not offered/],
    ['wants a password that there is not', [5, 2], /way of authentication 2, which was not offered/],
    ['says too much', [5, 0, 1], /more than its answer/],
  ])('ends where the proxy %s', (_what, answer, problem) => {
    expect(() => new Socks5Handshake(TARGET, undefined).receive(bytes(...answer))).toThrow(problem)
  })

  it('ends where the name of the host is too long for its field', () => {
    const handshake = new Socks5Handshake({ host: 'h'.repeat(256), port: 1 }, undefined)
    expect(() => handshake.receive(bytes(5, 0))).toThrow(/names of up to 255 bytes/)
  })

  it('ends where the proxy refuses the password', () => {
    const handshake = new Socks5Handshake(TARGET, USER)
    handshake.receive(bytes(5, 2))
    expect(() => handshake.receive(bytes(1, 1))).toThrow(/refused the user name or the password/)
  })

  it('ends where the proxy takes no user either', () => {
    expect(() => new Socks5Handshake(TARGET, USER).receive(bytes(5, 0xff))).toThrow(/^it takes no connection: /)
  })

  it.each<[number, RegExp]>([
    [1, /general failure \(reply 1\)/],
    [2, /rules/],
    [3, /network/],
    [4, /resolve/],
    [5, /refused there/],
    [6, /does not answer/],
    [7, /CONNECT/],
    [8, /kind of address/],
    [99, /refused \(reply 99\)/],
  ])('ends where the proxy opens no way: %d', (reply, problem) => {
    const handshake = new Socks5Handshake(TARGET, undefined)
    handshake.receive(bytes(5, 0))
    expect(() => handshake.receive(bytes(5, reply, 0, 1, 0, 0, 0, 0, 0, 0))).toThrow(problem)
  })

  it('never says more behind its end', () => {
    const handshake = new Socks5Handshake(TARGET, undefined)
    handshake.receive(bytes(5, 0))
    expect(() => handshake.receive(bytes(...OPENED, 7))).toThrow(/more than its answer/)
  })
})
