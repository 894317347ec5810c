import { describe, expect, it } from 'vitest'
import { ClientError } from '../../src/errors.js'
import { parseAddress } from '../../src/remoting/address.js'

describe('parseAddress', () => {
  it.each([
    ['127.0.0.1:9876', '127.0.0.1', 9876],
    ['broker-a.mq.svc:10911', 'broker-a.mq.svc', 10911],
    ['[::1]:9876', '::1', 9876],
    ['[fe80::1%eth0]:9876', 'fe80::1%eth0', 9876],
    ['::1:10911', '::1', 10911],
    ['2001:db8::5:10911', '2001:db8::5', 10911],
    ['a:1', 'a', 1],
    ['a:65535', 'a', 65535],
  ])('reads %s', (address, host, port) => {
    expect(parseAddress(address)).toEqual({ host, port })
  })

  it.each([
    '',
    ':',
    'a',
    'a:',
    ':1',
    'a:0',
    'a:65536',
    'a:-1',
    'a:1e3',
    'a:0x10',
    'a: 1',
    'a b:1',
    'http://a:1',
    'u@a:1',
    '[]:1',
    'a\0b:1',
    '\u0000\u0000\ufffd\ufffd0.0.1:10911',
    'a\u007f:1',
    'a\ufffd:1',
    'null',
  ])('refuses %j', (address) => {
    expect(() => parseAddress(address, 'namesrvAddr')).toThrow(ClientError)
    expect(() => parseAddress(address, 'namesrvAddr')).toThrow(/^namesrvAddr '.*' is no host:port/)
  })
})
