import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Client } from '../../src/client/client.js'
import { PullConsumer } from '../../src/consumer/pull-consumer.js'
import { resolvePullConsumerOptions } from '../../src/consumer/pull-consumer-options.js'
import { ClientError } from '../../src/errors.js'
import type { Logger } from '../../src/logger.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { resolveProducerOptions } from '../../src/producer/producer-options.js'

const namesrvAddr = '127.0.0.1:9876'
const GIBIBYTE = 1024 * 1024 * 1024
const HOUR = 3_600_000

/** Resolves one option of a kind of client. */
const resolvers = {
  client: (name: string, value: unknown): unknown => {
    const { options } = new Client({ namesrvAddr, [name]: value } as ConstructorParameters<typeof Client>[0])
    return options[name as keyof typeof options]
  },
  producer: (name: string, value: unknown): unknown => {
    const resolved = resolveProducerOptions({ producerGroup: 'g', [name]: value }, 'DefaultProducer')
    return resolved[name as keyof typeof resolved]
  },
  consumer: (name: string, value: unknown): unknown => {
    const resolved = resolvePullConsumerOptions({ consumerGroup: 'g', [name]: value }, 'PullConsumer')
    return resolved[name as keyof typeof resolved]
  },
}

const NUMBERS: [keyof typeof resolvers, string, number, number, number][] = [
  ['client', 'requestTimeout', 3_000, 1, HOUR],
  ['client', 'connectTimeout', 3_000, 1, HOUR],
  ['client', 'sendBufferSize', 1024 * 1024, 64 * 1024, GIBIBYTE],
  ['client', 'receiveBufferSize', 256 * 1024, 16 * 1024, 64 * 1024 * 1024],
  ['client', 'maxFrameSize', 16 * 1024 * 1024, 1024, GIBIBYTE],
  ['client', 'pollNameServerInterval', 30_000, 10, HOUR],
  ['client', 'heartbeatBrokerInterval', 30_000, 10, HOUR],
  ['client', 'fetchNameServerAddrInterval', 120_000, 10, HOUR],
  ['producer', 'retryTimesWhenSendFailed', 2, 0, 100],
  ['producer', 'sendTimeout', 3_000, 1, HOUR],
  ['producer', 'maxMessageSize', 4 * 1024 * 1024, 1, GIBIBYTE],
  ['producer', 'defaultTopicQueueNums', 4, 1, 65_535],
  ['consumer', 'persistConsumerOffsetInterval', 5_000, 10, HOUR],
  ['consumer', 'brokerSuspendMaxTimeMillis', 20_000, 0, HOUR],
  ['consumer', 'consumerTimeoutMillisWhenSuspend', 30_000, 1, HOUR],
  ['consumer', 'consumerPullTimeoutMillis', 10_000, 1, HOUR],
  ['consumer', 'maxMessageSize', 4 * 1024 * 1024, 4 * 1024 * 1024, GIBIBYTE],
]

describe('a number among the options', () => {
  it.each(NUMBERS)('%s %s is %d unless given', (kind, name, fallback) => {
    expect(resolvers[kind](name, undefined)).toBe(fallback)
  })

  it.each(NUMBERS)('%s %s (default %d) may be from %d to %d, and nothing else', (kind, name, _default, min, max) => {
    const resolve = (value: unknown) => () => resolvers[kind](name, value)
    expect(resolve(min)()).toBe(min)
    expect(resolve(max)()).toBe(max)
    for (const value of [
      min - 1,
      max + 1,
      min + 0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      String(min),
      null,
      true,
      {},
    ]) {
      expect(resolve(value)).toThrow(ClientError)
      expect(resolve(value)).toThrow(new RegExp(`^option ${name} of \\w+ is .*, a whole number from ${min} to ${max}`))
    }
  })
})

describe('other options', () => {
  it.each<[keyof typeof resolvers, string, unknown, unknown[], unknown[]]>([
    ['client', 'vipChannel', false, [true, false], ['true', 1, null]],
    ['client', 'serializeType', 'ROCKETMQ', ['ROCKETMQ', 'JSON'], ['json', '', 0, null]],
    ['client', 'instanceName', undefined, ['a', 'pod-1.zone#2'], ['', 'a b', 'a@b', 7, null]],
    ['client', 'unitName', undefined, ['u'], ['', 'ü', {}]],
    ['producer', 'createTopicKey', 'TBW102', ['Mine'], ['', 'a b', 7]],
    ['consumer', 'messageModel', 'CLUSTERING', ['CLUSTERING', 'BROADCASTING'], ['clustering', null]],
    ['consumer', 'localOffsetStoreDir', undefined, ['/tmp/x'], ['', 7]],
  ])('%s %s is %s unless given, and checked', (kind, name, fallback, good, bad) => {
    expect(resolvers[kind](name, undefined)).toBe(fallback)
    for (const value of good) expect(resolvers[kind](name, value)).toBe(value)
    for (const value of bad) expect(() => resolvers[kind](name, value)).toThrow(ClientError)
  })

  it('logger is called as the object that it is, and may throw', () => {
    const lines: unknown[] = []
    const logger = {
      lines,
      debug: () => undefined,
      info: () => undefined,
      warn(message: string, fields?: object) {
        this.lines.push([message, fields])
      },
      error() {
        throw new Error('no disk')
      },
    }
    const resolved = resolvers.client('logger', logger) as Logger
    expect(resolvers.client('logger', logger)).toBe(resolved)
    resolved.warn('what', { of: 'it' })
    resolved.error('what')
    expect(lines).toEqual([['what', { of: 'it' }]])
  })

  it('logger must have all four methods; console has', () => {
    expect(() => resolvers.client('logger', console)).not.toThrow()
    for (const logger of [null, 'console', {}, { debug() {}, info() {}, warn() {} }]) {
      expect(() => resolvers.client('logger', logger)).toThrow(/debug, info, warn and error/)
    }
  })

  it('addressMap must be a function; without it every address stays as it is', () => {
    expect((resolvers.client('addressMap', undefined) as (address: string) => string)('a:1')).toBe('a:1')
    expect(() => resolvers.client('addressMap', { 'a:1': 'b:1' })).toThrow(/a function/)
  })
})

describe('an unknown option', () => {
  it.each([
    ['nameserver', /did you mean nameServerUrl\?/],
    ['namesrvAdr', /did you mean namesrvAddr\?/],
    ['requesttimeout', /did you mean requestTimeout\?/],
    ['producergroup', /did you mean producerGroup\?/],
    ['sendTimout', /did you mean sendTimeout\?/],
    ['retryTimesWhenSendFail', /did you mean retryTimesWhenSendFailed\?/],
    ['cliend', /did you mean client\?/],
    ['zzzzzzzzzzzzzzzzzzzzzzzz', /it has .*producerGroup.*namesrvAddr/],
  ])('%s is refused with the nearest known one', (name, hint) => {
    const make = () => new DefaultProducer({ namesrvAddr, producerGroup: 'g', [name]: 'x' })
    expect(make).toThrow(ClientError)
    expect(make).toThrow(/^DefaultProducer has no option/)
    expect(make).toThrow(hint)
  })

  it('is refused by a consumer and a client as well', () => {
    expect(() => new PullConsumer({ namesrvAddr, consumerGroup: 'g', consumerGrup: 'h' } as never)).toThrow(
      /PullConsumer has no option 'consumerGrup'; did you mean consumerGroup\?/,
    )
    expect(() => new Client({ namesrvAddr, producerGroup: 'g' } as never)).toThrow(
      /Client has no option 'producerGroup'/,
    )
  })

  it('such as __proto__ is refused and changes no prototype', () => {
    const options = JSON.parse(`{"namesrvAddr":"${namesrvAddr}","producerGroup":"g","__proto__":{"sendTimeout":7}}`)
    expect(() => new DefaultProducer(options)).toThrow(/has no option '__proto__'/)
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it('is not looked for in a prototype', () => {
    const options = Object.create({ sendTimeout: 7, unknown: 1 })
    Object.assign(options, { namesrvAddr, producerGroup: 'g' })
    expect(resolveProducerOptions(options, 'DefaultProducer').sendTimeout).toBe(3_000)
  })
})

describe('options as a whole', () => {
  it.each([undefined, null, 7, 'producerGroup'])('must be an object, not %s', (options) => {
    expect(() => new DefaultProducer(options as never)).toThrow(ClientError)
    expect(() => new PullConsumer(options as never)).toThrow(/needs an options object/)
  })

  it('are never changed, and may be frozen', () => {
    const options = Object.freeze({ producerGroup: 'g', namesrvAddr: Object.freeze([namesrvAddr]), sendTimeout: 500 })
    const before = structuredClone(options)
    new DefaultProducer(options)
    expect(options).toEqual(before)
  })

  it('may be changed afterwards without effect', () => {
    const list = [namesrvAddr]
    const options = { namesrvAddr: list, requestTimeout: 100 }
    const client = new Client(options)
    options.requestTimeout = 200
    list.push('10.0.0.1:9876')
    expect(client.options.requestTimeout).toBe(100)
    expect(client.options.namesrvAddr).toEqual([namesrvAddr])
  })

  it('that are undefined count as not given', () => {
    const options = { producerGroup: 'g', namesrvAddr, sendTimeout: undefined, requestTimeout: undefined } as never
    expect(() => new DefaultProducer(options)).not.toThrow()
  })
})

describe('namesrvAddr', () => {
  const read = (value: unknown) => resolvers.client('namesrvAddr', value)

  it.each<[string, unknown, string[]]>([
    ['one', 'a:1', ['a:1']],
    ['several with semicolons', 'a:1;b:2;c:3', ['a:1', 'b:2', 'c:3']],
    ['several with commas', 'a:1,b:2', ['a:1', 'b:2']],
    ['spaces and empty parts', ' a:1 ;; b:2; ', ['a:1', 'b:2']],
    ['a list', ['a:1', 'b:2'], ['a:1', 'b:2']],
    ['the same twice', 'a:1;a:1', ['a:1']],
    ['IPv6', '[::1]:9876;[2001:db8::1]:9877', ['[::1]:9876', '[2001:db8::1]:9877']],
  ])('may be %s', (_what, value, addresses) => {
    expect(read(value)).toEqual(addresses)
  })

  it.each(['a', 'a:1;b', 'a:0', 'a:99999', 'http://a:1', ['a:1', 'b']])(
    'is refused when it is no host:port: %j',
    (value) => {
      expect(() => read(value)).toThrow(ClientError)
      expect(() => read(value)).toThrow(/option namesrvAddr of Client .*is no host:port/)
    },
  )

  it.each([7, ['a:1', 7], {}])('is refused when it is no text: %j', (value) => {
    expect(() => read(value)).toThrow(ClientError)
  })

  it.each(['', ' ; ', []])('must name at least one: %j', (value) => {
    vi.stubEnv('NAMESRV_ADDR', '')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(() => read(value)).toThrow(/names no NameServer/)
  })

  it('comes from NAMESRV_ADDR where it is not given', () => {
    vi.stubEnv('NAMESRV_ADDR', 'env-a:1;env-b:2')
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(new Client().options.namesrvAddr).toEqual(['env-a:1', 'env-b:2'])
    expect(read('given:1')).toEqual(['given:1'])
  })

  it('is an error that says what to set where neither is there', () => {
    vi.stubEnv('NAMESRV_ADDR', undefined)
    onTestFinished(() => void vi.unstubAllEnvs())
    const make = () => new DefaultProducer({ producerGroup: 'g' })
    expect(make).toThrow(ClientError)
    expect(make).toThrow(/'host:port;host:port'.*NAMESRV_ADDR/)
  })
})

describe('a shared client', () => {
  it('lends its options: those of a Client are refused beside it', () => {
    const client = new Client({ namesrvAddr })
    for (const name of ['namesrvAddr', 'requestTimeout', 'logger', 'instanceName', 'vipChannel']) {
      const make = () => new DefaultProducer({ producerGroup: 'g', client, [name]: 'x' })
      expect(make).toThrow(new RegExp(`option ${name} of DefaultProducer belongs to the client that it shares`))
    }
  })

  it('may stand beside options that are undefined', () => {
    const client = new Client({ namesrvAddr })
    const options = { producerGroup: 'g', client, logger: undefined } as never
    expect(new DefaultProducer(options).clientId).toBe(client.clientId)
  })

  it('must be a Client', () => {
    for (const client of [{}, null, 'client']) {
      expect(() => new DefaultProducer({ producerGroup: 'g', client } as never)).toThrow(
        /option client .* is no Client/,
      )
    }
  })

  it('gives its id to all that share it', () => {
    const client = new Client({ namesrvAddr, instanceName: 'here', unitName: 'u1' })
    const producer = new DefaultProducer({ producerGroup: 'g', client })
    const consumer = new PullConsumer({ consumerGroup: 'g', client })
    expect(producer.clientId).toBe(client.clientId)
    expect(consumer.clientId).toBe(client.clientId)
    expect(client.clientId).toMatch(/^[\d.a-f:]+@here@u1$/)
  })

  it('has an id of its own when none is given, also within one process', () => {
    const ids = Array.from({ length: 100 }, () => new Client({ namesrvAddr }).clientId)
    expect(new Set(ids).size).toBe(100)
  })
})

describe('the option tls', () => {
  const resolve = (tls: unknown) => () => resolvers.client('tls', tls)

  it('is off unless given', () => {
    expect(resolve(undefined)()).toBeUndefined()
    expect(resolve(false)()).toBeUndefined()
    expect(resolve(true)()).toBeDefined()
    expect(resolve({})()).toBeDefined()
    expect(
      resolve({ ca: ['/etc/a.pem', '/etc/b.pem'], servername: () => 'name', minVersion: 'TLSv1.3' })(),
    ).toBeDefined()
  })

  it.each([
    ['a text', 'canary', 'no object'],
    ['null', null, 'no object'],
    ['an unknown field', { caFile: 'canary' }, 'fields other than ca, cert, key'],
    ['a field of a prototype', { toString: 'canary' }, 'fields other than'],
    ['a number for a certificate', { ca: 7 }, 'ca of option tls'],
    ['an empty list', { ca: [] }, 'ca of option tls'],
    ['a certificate without its key', { cert: 'canary' }, 'cert and key together'],
    ['a key without its certificate', { key: 'canary' }, 'cert and key together'],
    ['no truth', { rejectUnauthorized: 'canary' }, 'true or false expected'],
    ['an old version', { minVersion: 'TLSv1' }, "'TLSv1.2' or 'TLSv1.3'"],
    ['an empty name', { servername: '' }, 'servername of option tls'],
    ['a key that is none', { cert: '-----BEGIN canary', key: '-----BEGIN canary' }, 'can not be used'],
  ])('may not be or have %s, and the error shows no value', (_what, tls, message) => {
    expect(resolve(tls)).toThrow(expect.objectContaining({ name: 'ClientError', code: 'INVALID_OPTION' }))
    expect(resolve(tls)).toThrow(message)
    expect(resolve(tls)).not.toThrow('canary')
  })
})
