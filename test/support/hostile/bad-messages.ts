import { deflateSync } from 'node:zlib'
import { MessageSysFlag } from '../../../src/message/sys-flag.js'
import { mutate, type Random } from '../../codec/mutation.js'
import { MAGIC_V2, storedBytes } from '../../codec/stored-bytes.js'
import { Code } from '../scripted-cluster.js'
import { PopCode } from '../scripted-pop.js'
import { type Answer, type BadKind, binary, costly, json, kind, pick } from './answer.js'

const PULLS = [Code.PULL, Code.LITE_PULL]
const WITH_MESSAGES = [...PULLS, PopCode.POP]
const LZ4 = 0x100
const ZSTD = 0x200
const ZLIB = 0x300
const BOMB_SIZE = 64 * 1024 * 1024

/** Where things stand in a stored message with IPv4 hosts, from its start. */
const AT = { totalSize: 0, magic: 4, crc: 8, queueOffset: 20, sysFlag: 36, bodyLength: 84 } as const

const bombs = new Map<number, Buffer>()

/** A body that asks for far more memory than it has bytes. */
function bomb(type: number): Buffer {
  const known = bombs.get(type)
  if (known !== undefined) return known
  const made = type === ZLIB ? deflateSync(Buffer.alloc(BOMB_SIZE)) : type === LZ4 ? lz4Bomb() : zstdBomb()
  bombs.set(type, made)
  return made
}

/** One frame with a block whose single match is as long as can be: each byte of 255 stands for 255 bytes. */
function lz4Bomb(): Buffer {
  const sequence = Buffer.concat([Buffer.from([0x1f, 0x00, 0x01, 0x00]), Buffer.alloc(250_000, 0xff), Buffer.from([0])])
  const block = Buffer.alloc(4)
  block.writeUInt32LE(sequence.length)
  return Buffer.concat([Buffer.from('04224d186070', 'hex'), Buffer.from([0x73]), block, sequence, Buffer.alloc(4)])
}

/** Blocks of 128 KiB of one byte each, which take four bytes. */
function zstdBomb(): Buffer {
  const block = Buffer.from([0x02 | ((131_072 << 3) & 0xff), (131_072 >> 5) & 0xff, (131_072 >> 13) & 0xff, 0x41])
  return Buffer.concat([Buffer.from('28b52ffd0070', 'hex'), ...Array.from({ length: 4_000 }, () => block)])
}

function messageAt(answer: Answer): { queueOffset: number; topic: string } {
  return { queueOffset: Number(answer.fields.nextBeginOffset ?? 1) - 1, topic: 'T' }
}

/** The answer's messages with others in their place. */
function withBody(answer: Answer, body: Buffer, random: Random): Buffer {
  const spoilt = { ...answer, body }
  return random(4) === 0 ? binary(spoilt) : json(spoilt)
}

const body = (name: string, make: (answer: Answer, random: Random) => Buffer) =>
  kind(name, 'open', (answer, random) => withBody(answer, make(answer, random), random), WITH_MESSAGES)

const patch = (name: string, at: number, values: readonly number[]) =>
  body(name, (answer, random) => {
    const bytes = Buffer.from(answer.body)
    if (bytes.length >= at + 4) bytes.writeInt32BE(pick(values, random) | 0, at)
    return bytes
  })

const spec = (name: string, make: (random: Random) => Parameters<typeof storedBytes>[0]) =>
  body(name, (answer, random) =>
    Buffer.concat([
      storedBytes({ ...messageAt(answer), ...make(random) }),
      random(2) === 0 ? answer.body : Buffer.alloc(0),
    ]),
  )

const offsets = (name: string, field: string, values: readonly string[]) =>
  kind(
    name,
    'open',
    (answer, random) => json({ ...answer, fields: { ...answer.fields, [field]: pick(values, random) } }),
    PULLS,
  )

const OFFSETS = ['-1', '0', '-9223372036854775808', '9007199254740991', '9007199254740992', '9223372036854775807', '1']

/** Answers to pulls and pops whose messages or offsets are not what they should be. */
export const badMessages: readonly BadKind[] = [
  body('messages that end in the middle', (answer, random) => answer.body.subarray(0, random(answer.body.length + 1))),
  patch('a message with a wrong total size', AT.totalSize, [0, -1, 3, 4, 83, 2 ** 31 - 1, -(2 ** 31), 1000]),
  patch('a message with an unknown magic code', AT.magic, [0, -1, 0x12345678]),
  patch('a message with a wrong CRC', AT.crc, [0, -1, 1]),
  patch('a message at a negative or an enormous offset', AT.queueOffset, [-1, 0x7fff_ffff, 0x0020_0000]),
  patch('a message with all flags', AT.sysFlag, [-1, 0x30, 0xc0, 0xf1, 1, 0x701]),
  patch('a message with a wrong body length', AT.bodyLength, [-1, 2 ** 31 - 1, 0, 200]),
  body('messages with bytes behind them', (answer, random) =>
    Buffer.concat([answer.body, Buffer.alloc(1 + random(200), random(256))]),
  ),
  body('messages with some bytes changed', (answer, random) => mutate(answer.body, random).bytes),
  body('no messages at all', () => Buffer.alloc(0)),
  body('the same messages many times', (answer, random) => Buffer.concat(Array(1 + random(50)).fill(answer.body))),
  spec('a message with hosts of IPv6 that has none', () => ({
    sysFlag: MessageSysFlag.BORN_HOST_V6 | MessageSysFlag.STORE_HOST_V6,
  })),
  spec('a message with a topic of no or many bytes', (random) => ({
    magic: MAGIC_V2,
    topic: 'T'.repeat(random(2) * 20_000),
  })),
  spec('a message with properties that say nothing', (random) => ({
    properties: pick(
      [
        '\u0001',
        '\u0002\u0002',
        '\u0001\u0002',
        'a\u0001',
        '__proto__\u0001x\u0002constructor\u0001y\u0002',
        '\u0001\u0001\u0002'.repeat(9_000),
        'TAGS\u0001'.repeat(6_000),
      ],
      random,
    ),
  })),
  spec('a message with system properties that say nonsense', (random) => ({
    properties: [
      'RECONSUME_TIME',
      'MAX_RECONSUME_TIMES',
      'POP_CK',
      'MIN_OFFSET',
      '1ST_POP_TIME',
      'DELAY',
      'RETRY_TOPIC',
      'REAL_TOPIC',
      'UNIQ_KEY',
      'PGROUP',
      'INNER_NUM',
      '__SHARDINGKEY',
    ]
      .map(
        (name) =>
          `${name}\u0001${pick(['-1', 'x', '9'.repeat(30), '0 0 0 0 0 b 0', '1e9', '__proto__'], random)}\u0002`,
      )
      .join(''),
  })),
  spec('a body that says it is compressed, and is not', (random) => ({
    sysFlag: MessageSysFlag.COMPRESSED | pick([0, LZ4, ZSTD, ZLIB, 0x400, 0x700], random),
    body: pick(['', 'plain', '\u0000'], random),
  })),
  spec('a compressed body with some bytes changed', (random) => ({
    sysFlag: MessageSysFlag.COMPRESSED | ZLIB,
    body: mutate(deflateSync(Buffer.alloc(500, 'abc')), random).bytes,
  })),
  costly(
    spec('a bomb', (random) => {
      const type = pick([ZLIB, LZ4, ZSTD], random)
      return { sysFlag: MessageSysFlag.COMPRESSED | type, body: bomb(type) }
    }),
  ),
  spec('an inner batch that is none', (random) => ({
    sysFlag: MessageSysFlag.INNER_BATCH | MessageSysFlag.NEED_UNWRAP,
    body: pick(
      [Buffer.alloc(3), Buffer.alloc(30), Buffer.alloc(30, 0xff), mutate(Buffer.alloc(60, 1), random).bytes],
      random,
    ),
  })),
  offsets('a next offset that makes no sense', 'nextBeginOffset', OFFSETS),
  offsets('a smallest offset that makes no sense', 'minOffset', OFFSETS),
  offsets('a greatest offset that makes no sense', 'maxOffset', OFFSETS),
  offsets('a delta of offsets that makes no sense', 'offsetDelta', OFFSETS),
  offsets('a broker to ask next that is none', 'suggestWhichBrokerId', OFFSETS),
  kind(
    'an offset that is moved without end',
    'open',
    (answer, random) =>
      json({ ...answer, code: 21, fields: { ...answer.fields, nextBeginOffset: pick(OFFSETS, random) } }),
    PULLS,
  ),
  kind(
    'offsets of popped messages that say nothing',
    'open',
    (answer, random) => {
      const text = () =>
        pick(
          [
            '',
            ' ',
            ';',
            '0 0',
            '0 0 x',
            '0 0 0;0 0 0',
            '0 0 1,',
            '3 0 0',
            '0 -1 -1',
            '0 0 9'.repeat(99),
            ';'.repeat(5_000),
          ],
          random,
        )
      return json({
        ...answer,
        fields: { ...answer.fields, startOffsetInfo: text(), msgOffsetInfo: text(), orderCountInfo: text() },
      })
    },
    [PopCode.POP],
  ),
]
