import { ClientError } from '../errors.js'
import type { MessageExt } from '../message/message.js'
import { listenToAbort } from '../remoting/deadline.js'
import type { ConsumeContext } from './consume-context.js'
import type { MessageHandler } from './consumption-host.js'
import type { LoopMessage, LoopSource, LoopWaiter } from './loop-source.js'

export interface HandlerSourceHost {
  /** @see LoopSource.open */
  open(): Promise<void>
  /** So many loops can have a message each. */
  onLoops(count: number): void
}

/**
 * Has loops do what a handler does: each call of the handler is one message that a loop has, and it goes on until the loop asks for the next one. There are as many calls at
 * a time as there are loops, so that no message waits for one.
 */
export class HandlerSource implements LoopSource {
  readonly #host: HandlerSourceHost
  readonly #waiters = new Set<LoopWaiter>()
  /** Messages that came while all loops were busy: after a loop whose time was over, or from a console. */
  readonly #backlog = new Set<HandledMessage>()
  #loops = 0
  #isEnded = false

  constructor(host: HandlerSourceHost) {
    this.#host = host
  }

  /** How many loops there are. */
  get loops(): number {
    return this.#loops
  }

  /** The handler whose part the loops have. It gets one message at a time. */
  readonly handler: MessageHandler = ([message], context) => {
    const handled = new HandledMessage(message as MessageExt)
    const waiter = this.#waiters.values().next().value
    if (waiter !== undefined) {
      this.#waiters.delete(waiter)
      waiter.give(handled)
    } else if (this.#isEnded) handled.giveBack()
    else this.#keep(handled, context)
    return handled.settled
  }

  async open(): Promise<void> {
    const wasEnded = this.#isEnded
    try {
      await this.#host.open()
    } catch (error) {
      // A loop ends by itself when the consumer is shut down while it begins.
      if (wasEnded || !this.#isEnded) throw error
    }
    this.#loops++
    this.#host.onLoops(this.#loops)
  }

  async close(): Promise<void> {
    this.#loops--
    this.#host.onLoops(this.#loops)
    if (this.#loops === 0) this.#giveBackAll()
  }

  take(): LoopMessage | undefined {
    const handled = this.#backlog.values().next().value
    if (handled !== undefined) this.#backlog.delete(handled)
    return handled
  }

  wait(waiter: LoopWaiter): void {
    if (this.#isEnded) waiter.give(undefined)
    else this.#waiters.add(waiter)
  }

  cancel(waiter: LoopWaiter): void {
    this.#waiters.delete(waiter)
  }

  /** Gives loops nothing any more. What they have is consumed when they ask for more. */
  end(): void {
    this.#isEnded = true
    this.#giveBackAll()
    const waiters = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.give(undefined)
  }

  #giveBackAll(): void {
    for (const handled of this.#backlog) handled.giveBack()
    this.#backlog.clear()
  }

  #keep(handled: HandledMessage, { signal }: ConsumeContext): void {
    this.#backlog.add(handled)
    // Then it was given to somebody else.
    listenToAbort(signal, () => this.#backlog.delete(handled))
  }
}

class HandledMessage implements LoopMessage {
  readonly message: MessageExt
  readonly settled: Promise<void>
  #resolve: () => void = () => undefined
  #reject: (error: Error) => void = () => undefined

  constructor(message: MessageExt) {
    this.message = message
    this.settled = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  consumed(): void {
    this.#resolve()
  }

  giveBack(): void {
    const what = `the loop ended before it asked for the message after ${this.message.msgId}, so that this one comes again`
    this.#reject(new ClientError('NOT_ACKNOWLEDGED', what))
  }
}
