import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FrameDecoder } from '../../src/codec/frame.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { MessageError } from '../../src/errors.js'
import { pullMessage } from '../../src/remoting/commands/pull.js'
import { sendMessage } from '../../src/remoting/commands/send.js'
import { fromHex, golden } from './golden.js'
import { heldMemory, mutate, randomOf } from './mutation.js'
import { watchPrototypes } from './pollution-canary.js'
import { decode, decodeAll } from './stored-bytes.js'
import { encodeTextFrame, frameFields } from './wire.js'

watchPrototypes()

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 100_000)
/** Another one each time; FUZZ_SEED repeats a run that failed. */
const SEED = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const ROOM_TO_GROW = 32 * 1024 * 1024
const TIMEOUT = Math.max(120_000, ROUNDS)

// The stacks of a hundred thousand faults take most of the time, and nobody reads them.
const { stackTraceLimit } = Error
beforeAll(() => {
  Error.stackTraceLimit = 0
})
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
})

/** Whatever goes wrong is told with what is needed to see it again. */
function failure(round: number, bytes: Buffer, cause: unknown): Error {
  return new Error(`FUZZ_SEED=${SEED}, round ${round}, with ${bytes.toString('hex')}: ${String(cause)}`, { cause })
}

describe(`mutated frames, FUZZ_SEED=${SEED}`, () => {
  const pullAnswer = { suggestWhichBrokerId: '0', nextBeginOffset: '32', minOffset: '0', maxOffset: '64' }
  const sendAnswer = { msgId: 'C000020A0000D43100000000000003E8', queueId: '1', queueOffset: '7' }
  const originals = [
    ...golden<{ hex: string }>('frames').map(({ hex }) => fromHex(hex)),
    ...golden<{ hex: string }>('requests').map(({ hex }) => fromHex(hex)),
    ...(['JSON', 'ROCKETMQ'] as const).flatMap((type) => [
      encodeTextFrame(type, { code: 0, opaque: 1, flag: 1 }, pullAnswer, Buffer.from('body')),
      encodeTextFrame(type, { code: 0, opaque: 2, flag: 1, remark: 'fine' }, sendAnswer),
    ]),
  ].filter((frame) => frame.length < 2000)

  /** Everything that is done with a frame that came in. */
  function use(frame: RemotingCommand): void {
    frameFields(frame)
    for (const codec of [pullMessage.response, sendMessage.response, sendMessage.request]) {
      try {
        codec.read(frame)
      } catch (error) {
        if (!(error instanceof MessageError)) throw error
      }
    }
  }

  it('are read or refused with a MessageError, whatever was changed in them', { timeout: TIMEOUT }, () => {
    const random = randomOf(SEED)
    const outcomes = { frames: 0, faults: 0, incomplete: 0 }
    const round = (index: number) => {
      const { bytes } = mutate(originals[random(originals.length)] ?? Buffer.alloc(0), random)
      const decoder = new FrameDecoder()
      const cut = random(bytes.length + 1)
      try {
        for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
          decoder.push(chunk, (frame) => {
            outcomes.frames++
            use(frame)
          })
        }
        if (decoder.buffered > 0) outcomes.incomplete++
        if (decoder.buffered > bytes.length) throw new Error('more is held than has come')
      } catch (error) {
        if (!(error instanceof MessageError)) throw failure(index, bytes, error)
        outcomes.faults++
      }
    }
    for (let index = 0; index < ROUNDS / 10; index++) round(index)
    const before = heldMemory()
    for (let index = ROUNDS / 10; index < ROUNDS; index++) round(index)
    expect(heldMemory() - before, `FUZZ_SEED=${SEED}`).toBeLessThan(ROOM_TO_GROW)
    // Each kind of outcome is there, so that the mutations are neither too mild nor too rough.
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(ROUNDS / 100)
  })
})

describe(`mutated message bodies, FUZZ_SEED=${SEED}`, () => {
  interface Original {
    readonly bytes: Buffer
    readonly messages: readonly StoredMessage[]
    /** For each message where the stored one that it came from ends. */
    readonly ends: readonly number[]
  }

  /** Cuts a body by the total sizes of its stored messages. */
  function storedIn(body: Buffer): Buffer[] {
    const parts: Buffer[] = []
    for (let at = 0; at < body.length; at += body.readInt32BE(at))
      parts.push(body.subarray(at, at + body.readInt32BE(at)))
    return parts
  }

  async function originalOf(stored: readonly Buffer[]): Promise<Original> {
    const messages: StoredMessage[] = []
    const ends: number[] = []
    let end = 0
    for (const bytes of stored) {
      end += bytes.length
      const own = await decodeAll(bytes)
      messages.push(...own)
      ends.push(...own.map(() => end))
    }
    return { bytes: Buffer.concat(stored), messages, ends }
  }

  async function originals(): Promise<Original[]> {
    const bodies = golden<{ name: string; hex: string }>('messages').filter(
      ({ name }) => name !== 'offsets beyond 2^53',
    )
    const stored = bodies.flatMap(({ hex }) => storedIn(fromHex(hex))).filter(({ length }) => length < 4000)
    const alone = stored.map((bytes) => [bytes])
    const inRows = stored.map((bytes, index) => [bytes, ...stored.slice(index + 1, index + 4), bytes])
    return Promise.all([...alone, ...inRows].map(originalOf))
  }

  function isSame(a: StoredMessage | undefined, b: StoredMessage | undefined): boolean {
    return (
      a !== undefined &&
      b !== undefined &&
      a.topic === b.topic &&
      a.queueOffset === b.queueOffset &&
      a.storeSize === b.storeSize &&
      a.sysFlag === b.sysFlag &&
      a.body.equals(b.body) &&
      a.msgId === b.msgId &&
      a.bornHost === b.bornHost
    )
  }

  function checkAgainst(original: Original, firstChange: number, messages: readonly StoredMessage[]): void {
    for (const [index, end] of original.ends.entries()) {
      if (end > firstChange) break
      if (!isSame(messages[index], original.messages[index]))
        throw new Error(`message ${index} before the change is lost or changed`)
    }
    for (const { body, properties, keys, msgId, storeHost } of messages) {
      if (body.length < 0 || properties === undefined || keys === undefined || msgId === '' || storeHost === '') {
        throw new Error('a message was delivered that says nothing')
      }
    }
  }

  it('give the messages before the change, and then a value or a fault', { timeout: TIMEOUT }, async () => {
    const random = randomOf(SEED)
    const from = await originals()
    const outcomes = { messages: 0, faults: 0, sound: 0 }
    const round = async (index: number) => {
      const original = from[random(from.length)]
      if (original === undefined) return
      const { bytes, firstChange } = mutate(original.bytes, random)
      try {
        const { messages, fault } = await decode(bytes, { maxBodySize: 64 * 1024 })
        if (fault !== undefined && !(fault instanceof MessageError)) throw fault
        outcomes.messages += messages.length
        if (fault === undefined) outcomes.sound++
        else outcomes.faults++
        checkAgainst(original, firstChange, messages)
      } catch (error) {
        throw failure(index, bytes, error)
      }
    }
    for (let index = 0; index < ROUNDS / 10; index++) await round(index)
    const before = heldMemory()
    for (let index = ROUNDS / 10; index < ROUNDS; index++) await round(index)
    expect(heldMemory() - before, `FUZZ_SEED=${SEED}`).toBeLessThan(ROOM_TO_GROW)
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(ROUNDS / 100)
  })
})
