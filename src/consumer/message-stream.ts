import type { MessageExt } from '../message/message.js'
import { listenToAbort } from '../remoting/deadline.js'
import type { LoopSource } from './loop-source.js'
import { MessageLoop } from './message-loop.js'

/** How loops have messages. */
export interface MessagesOptions {
  /** Ends the loops when it fires, as a shutdown does: each gets no further message, and goes on behind the loop. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Messages, for loops: `for await (const message of stream)`. Several loops over one stream share its messages; each has one at a time.
 *
 * A message counts as consumed when its loop asks for the next one. A loop that ends before that, by `break`, `return` or an error, leaves its message unconsumed, because
 * JavaScript does not tell these apart: it comes again, unless {@link MessageStream.ack} was called for it. When the consumer is shut down, or the signal fires, loops end by
 * themselves, as at the end of a list, and the last message counts as consumed.
 */
export class MessageStream implements AsyncIterable<MessageExt> {
  readonly #source: LoopSource
  readonly #signal: AbortSignal | undefined
  readonly #loops = new Set<MessageLoop>()
  readonly #onAbort = () => {
    for (const loop of this.#loops) loop.end()
  }

  constructor(source: LoopSource, { signal }: MessagesOptions = {}) {
    this.#source = source
    this.#signal = signal
  }

  /** Begins a loop. */
  [Symbol.asyncIterator](): AsyncIterableIterator<MessageExt> {
    const loop: MessageLoop = new MessageLoop(this.#source, () => this.#onClosed(loop))
    if (this.#signal !== undefined && this.#loops.size === 0) listenToAbort(this.#signal, this.#onAbort)
    this.#loops.add(loop)
    if (this.#signal?.aborted) loop.end()
    return loop
  }

  /** Counts a message that a loop has as consumed already now: for one that is about to end by `break`. Other messages are passed over. */
  ack(message: MessageExt): void {
    for (const loop of this.#loops) if (loop.ack(message)) return
  }

  #onClosed(loop: MessageLoop): void {
    this.#loops.delete(loop)
    if (this.#loops.size === 0) this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}
