import { describe, expect, it } from 'vitest'
import type { LoopMessage, LoopSource, LoopWaiter } from '../../src/consumer/loop-source.js'
import { MessageStream, type MessagesOptions } from '../../src/consumer/message-stream.js'
import type { MessageExt } from '../../src/message/message.js'
import { rejectionOf, turns } from '../support/until.js'
import { messagesAt } from './stored-messages.js'

/** A source whose messages the test supplies, and which takes down what loops do. */
class FakeSource implements LoopSource {
  readonly log: string[] = []
  readonly #ready: LoopMessage[] = []
  readonly #waiters = new Set<LoopWaiter>()
  opening: Promise<void> = Promise.resolve()

  async open(): Promise<void> {
    this.log.push('open')
    await this.opening
  }

  async close(): Promise<void> {
    this.log.push('close')
  }

  take(): LoopMessage | undefined {
    return this.#ready.shift()
  }

  wait(waiter: LoopWaiter): void {
    this.#waiters.add(waiter)
  }

  cancel(waiter: LoopWaiter): void {
    this.#waiters.delete(waiter)
  }

  get waiting(): number {
    return this.#waiters.size
  }

  supply(...offsets: number[]): MessageExt[] {
    const messages = messagesAt(...offsets)
    for (const message of messages) {
      const { queueOffset } = message
      const one = {
        message,
        consumed: () => void this.log.push(`consumed ${queueOffset}`),
        giveBack: () => void this.log.push(`back ${queueOffset}`),
      }
      const waiter = this.#waiters.values().next().value
      if (waiter === undefined) this.#ready.push(one)
      else {
        this.#waiters.delete(waiter)
        waiter.give(one)
      }
    }
    return messages
  }

  end(): void {
    for (const waiter of [...this.#waiters]) {
      this.#waiters.delete(waiter)
      waiter.give(undefined)
    }
  }
}

function setUp(options: MessagesOptions = {}) {
  const source = new FakeSource()
  return { source, stream: new MessageStream(source, options) }
}

const offsetOf = async (next: Promise<IteratorResult<MessageExt>>) => {
  const { done, value } = await next
  return done ? 'done' : value.queueOffset
}

describe('a loop', () => {
  it('has consumed a message when it asks for the next one', async () => {
    const { source, stream } = setUp()
    source.supply(0, 1)
    const loop = stream[Symbol.asyncIterator]()
    expect(await offsetOf(loop.next())).toBe(0)
    expect(source.log).toEqual(['open'])
    expect(await offsetOf(loop.next())).toBe(1)
    expect(source.log).toEqual(['open', 'consumed 0'])
  })

  it('waits where there is no message, and is woken', async () => {
    const { source, stream } = setUp()
    const loop = stream[Symbol.asyncIterator]()
    const next = loop.next()
    await turns(2)
    expect(source.waiting).toBe(1)
    source.supply(0)
    expect(await offsetOf(next)).toBe(0)
  })

  it.each(['break', 'return', 'throw'])('that ends by %s gives its message back, and is closed', async (end) => {
    const { source, stream } = setUp()
    source.supply(0, 1, 2)
    const run = async () => {
      for await (const { queueOffset } of stream) {
        if (queueOffset === 0) continue
        if (end === 'break') break
        if (end === 'return') return
        throw new Error('thrown')
      }
    }
    await run().catch((error: Error) => expect(error.message).toBe('thrown'))
    expect(source.log).toEqual(['open', 'consumed 0', 'back 1', 'close'])
  })

  it('that ends after its message was acknowledged gives nothing back', async () => {
    const { source, stream } = setUp()
    source.supply(0)
    for await (const message of stream) {
      stream.ack(message)
      stream.ack(message)
      break
    }
    expect(source.log).toEqual(['open', 'consumed 0', 'close'])
  })

  it('passes over an acknowledgement of a message that no loop has', async () => {
    const { source, stream } = setUp()
    const [message, other] = source.supply(0, 1)
    const loop = stream[Symbol.asyncIterator]()
    await loop.next()
    stream.ack(other as MessageExt)
    expect(source.log).toEqual(['open'])
    stream.ack(message as MessageExt)
    expect(source.log).toEqual(['open', 'consumed 0'])
    await loop.next()
    expect(source.log).toEqual(['open', 'consumed 0'])
  })

  it('ends by itself when nothing comes any more, at once where it waits', async () => {
    const { source, stream } = setUp()
    const loop = stream[Symbol.asyncIterator]()
    const next = loop.next()
    await turns(2)
    source.end()
    expect(await offsetOf(next)).toBe('done')
    expect(await offsetOf(loop.next())).toBe('done')
    expect(source.log).toEqual(['open', 'close'])
  })

  it('ends when its signal fires: behind the message that it has, which it has consumed then', async () => {
    const abort = new AbortController()
    const { source, stream } = setUp({ signal: abort.signal })
    source.supply(0, 1)
    const offsets: number[] = []
    for await (const { queueOffset } of stream) {
      offsets.push(queueOffset)
      abort.abort()
      expect(source.log).toEqual(['open'])
    }
    expect(offsets).toEqual([0])
    expect(source.log).toEqual(['open', 'consumed 0', 'close'])
    for await (const _ of stream) throw new Error('nothing is expected')
    expect(source.log).toHaveLength(3)
  })

  it('ends when its signal fires while it waits, or begins', async () => {
    for (const isOpen of [true, false]) {
      const abort = new AbortController()
      const { source, stream } = setUp({ signal: abort.signal })
      const loop = stream[Symbol.asyncIterator]()
      const next = loop.next()
      if (isOpen) await turns(2)
      abort.abort()
      expect(await offsetOf(next)).toBe('done')
      await turns(2)
      expect(source.log).toEqual(['open', 'close'])
      expect(source.waiting).toBe(0)
    }
  })

  it('ends when its signal fires without waiting until it could begin, and is closed when it could', async () => {
    const abort = new AbortController()
    const { source, stream } = setUp({ signal: abort.signal })
    let open: () => void = () => undefined
    source.opening = new Promise((resolve) => {
      open = resolve
    })
    const loop = stream[Symbol.asyncIterator]()
    const next = loop.next()
    abort.abort()
    expect(await offsetOf(next)).toBe('done')
    expect(source.log).toEqual(['open'])
    open()
    await turns(2)
    expect(source.log).toEqual(['open', 'close'])
    expect(await offsetOf(loop.next())).toBe('done')
  })

  it('that was ended throws nothing when it could not have begun', async () => {
    const abort = new AbortController()
    const { source, stream } = setUp({ signal: abort.signal })
    let refuse: (error: Error) => void = () => undefined
    source.opening = new Promise((_, reject) => {
      refuse = reject
    })
    const next = stream[Symbol.asyncIterator]().next()
    abort.abort()
    expect(await offsetOf(next)).toBe('done')
    refuse(new Error('no'))
    await turns(2)
    expect(source.log).toEqual(['open'])
  })

  it('keeps no listener on a signal when it is over', async () => {
    const { signal } = new AbortController()
    const listeners = new Set<unknown>()
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (type: string, listener: never) => {
      listeners.add(listener)
      add(type, listener)
    }
    signal.removeEventListener = (type: string, listener: never) => {
      listeners.delete(listener)
      remove(type, listener)
    }
    const { source, stream } = setUp({ signal })
    source.supply(0)
    for await (const _ of stream) break
    expect(listeners.size).toBe(0)
  })

  it('shares the messages with others, each of which has its own', async () => {
    const { source, stream } = setUp()
    const [a, b] = [stream[Symbol.asyncIterator](), stream[Symbol.asyncIterator]()]
    const nexts = [a.next(), b.next()]
    await turns(2)
    source.supply(0, 1)
    expect(await Promise.all(nexts.map(offsetOf))).toEqual([0, 1])
    await b.return?.()
    expect(source.log).toEqual(['open', 'open', 'back 1', 'close'])
    const next = a.next()
    source.supply(2)
    expect(await offsetOf(next)).toBe(2)
  })

  it('may be asked several times at once, and answers in order', async () => {
    const { source, stream } = setUp()
    const loop = stream[Symbol.asyncIterator]()
    const nexts = [loop.next(), loop.next(), loop.next()]
    await turns(2)
    source.supply(0, 1)
    expect(await Promise.all(nexts.slice(0, 2).map(offsetOf))).toEqual([0, 1])
    await loop.return?.()
    expect(await offsetOf(nexts[2] as never)).toBe('done')
    expect(source.log).toEqual(['open', 'back 1', 'back 0', 'close'])
  })

  it('throws what keeps it from beginning, and is over then', async () => {
    const { source, stream } = setUp()
    source.opening = Promise.reject(new Error('closed'))
    const loop = stream[Symbol.asyncIterator]()
    expect(await rejectionOf(loop.next())).toMatchObject({ message: 'closed' })
    expect(await offsetOf(loop.next())).toBe('done')
    expect(source.log).toEqual(['open'])
  })

  it('can be left before it began, or while it begins', async () => {
    const { source, stream } = setUp()
    await stream[Symbol.asyncIterator]().return?.()
    expect(source.log).toEqual([])
    const loop = stream[Symbol.asyncIterator]()
    const next = loop.next()
    await loop.return?.()
    expect(await offsetOf(next)).toBe('done')
    expect(source.log).toEqual(['open', 'close'])
  })
})
