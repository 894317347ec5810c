import type { MessageExt } from '../message/message.js'
import type { LoopMessage, LoopSource, LoopWaiter } from './loop-source.js'

type Result = IteratorResult<MessageExt, undefined>

const DONE: Result = { done: true, value: undefined }

/** One loop over the messages of a consumer. Whoever asks for a message has consumed those that he had before. */
export class MessageLoop implements AsyncIterableIterator<MessageExt, undefined>, LoopWaiter {
  readonly #source: LoopSource
  readonly #onClosed: () => void
  /** `ended`: it gets nothing any more, and may have a message still. */
  #state: 'created' | 'open' | 'ended' | 'closed' = 'created'
  #opening: Promise<void> | undefined
  #isOpened = false
  #endOpening: () => void = () => undefined
  /** Resolves when it gets nothing any more though it has not begun. */
  readonly #endedEarly = new Promise<Result>((resolve) => {
    this.#endOpening = () => resolve(DONE)
  })
  #closing: Promise<void> | undefined
  /** What it was given, and has not asked beyond: one message, as a rule. */
  #held: LoopMessage[] = []
  /** Who asked and has no answer: one at the most, as a rule. */
  readonly #asked: ((result: Result) => void)[] = []

  /** @param onClosed - Told when it is over. */
  constructor(source: LoopSource, onClosed: () => void) {
    this.#source = source
    this.#onClosed = onClosed
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result> {
    this.#acknowledge()
    if (this.#state === 'open') return this.#take()
    return this.#state === 'created' ? this.#open() : this.#close()
  }

  /** The loop was left. Nobody can tell whether its message was consumed, so it was not. */
  return(): Promise<Result> {
    for (const message of this.#held.reverse()) message.giveBack()
    this.#held = []
    return this.#close()
  }

  /** Of a stream that is destroyed by an error, which is its own. */
  throw(): Promise<Result> {
    return this.return()
  }

  /** Whether the loop has this message. Then it is consumed. */
  ack(message: MessageExt): boolean {
    const index = this.#held.findIndex((held) => held.message === message)
    if (index < 0) return false
    for (const held of this.#held.splice(index, 1)) held.consumed()
    return true
  }

  /** Gives it nothing any more. What it has is consumed when it asks for the next message. */
  end(): void {
    if (this.#state !== 'created' && this.#state !== 'open') return
    this.#state = 'ended'
    this.#endOpening()
    this.#source.cancel(this)
    for (const answer of this.#asked.splice(0)) answer(DONE)
    if (this.#held.length === 0) void this.#close()
  }

  give(message: LoopMessage | undefined): void {
    const answer = this.#asked.shift()
    if (message === undefined) {
      answer?.(DONE)
      this.end()
    } else if (answer === undefined) message.giveBack()
    else {
      this.#held.push(message)
      answer({ done: false, value: message.message })
      if (this.#asked.length > 0) this.#source.wait(this)
    }
  }

  async #open(): Promise<Result> {
    this.#opening ??= this.#source.open()
    try {
      // The consumer may take its time to start; who ended the loop need not wait for that.
      if ((await Promise.race([this.#opening, this.#endedEarly])) === DONE) return DONE
      this.#isOpened = true
    } catch (error) {
      this.#opening = undefined
      await this.#close()
      throw error
    }
    if (this.#state === 'created') this.#state = 'open'
    return this.#state === 'open' ? this.#take() : this.#close()
  }

  #take(): Promise<Result> {
    const message = this.#asked.length > 0 ? undefined : this.#source.take()
    if (message !== undefined) {
      this.#held.push(message)
      return Promise.resolve({ done: false, value: message.message })
    }
    return new Promise((resolve) => {
      this.#asked.push(resolve)
      if (this.#asked.length === 1) this.#source.wait(this)
    })
  }

  #acknowledge(): void {
    if (this.#held.length === 0) return
    for (const message of this.#held) message.consumed()
    this.#held = []
  }

  async #close(): Promise<Result> {
    if (this.#state !== 'closed') {
      this.#state = 'closed'
      this.#source.cancel(this)
      for (const answer of this.#asked.splice(0)) answer(DONE)
      this.#onClosed()
      this.#closing = this.#closeSource()
    }
    await this.#closing
    return DONE
  }

  /** At once, where that is possible: what was given back must not come to a loop that has ended. */
  #closeSource(): Promise<void> | undefined {
    if (this.#isOpened) return this.#source.close()
    return this.#opening?.then(
      () => this.#source.close(),
      () => undefined,
    )
  }
}
