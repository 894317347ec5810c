import type { MessageQueue } from '../message/message.js'

/**
 * What a handler is told beside its messages, and what it may decide.
 *
 * @see ConsumeConcurrentlyContext, ConsumeOrderlyContext
 */
export interface ConsumeContext {
  /** The queue that the messages were read from; of a message that came back, one of the group's retry topic. */
  readonly messageQueue: MessageQueue
  /**
   * Fires when this handler had better end: its time (`consumeTimeout`) is over, its queue or the lock of it went to another member, or the shutdown has waited long enough.
   * The reason says which: `CONSUME_TIMEOUT`, `QUEUE_REVOKED` or `LOCK_LOST`. Nobody waits for it then; but where messages keep their order, those behind them wait on,
   * until it ends or the queue is given up.
   */
  readonly signal: AbortSignal
  /**
   * When messages of a handler that fails come again. 0, which is the default: later each time, as the broker has it. −1: not at all, they go to the dead-letter topic.
   * Else a delay level from 1 on, which counts where messages are handed out concurrently: one of the brokers', with `popMode` one of those that are told there.
   */
  delayLevelWhenNextConsume: number
  /**
   * Of several messages, the index of the last one that was consumed: those behind it come again, though the handler succeeds. −1: all of them do. Default: none does.
   */
  ackIndex: number
  /**
   * Where messages keep their order: how long those of a handler that fails wait until they come again, and with them all that must not overtake them, in milliseconds;
   * brought into the range from 10 to 30000. Default −1: the option `suspendCurrentQueueTimeMillis`.
   */
  suspendCurrentQueueTimeMillis: number
}

/** The signal costs something, so it is made for those who ask for it. */
export class HandlerContext implements ConsumeContext {
  readonly messageQueue: MessageQueue
  delayLevelWhenNextConsume = 0
  ackIndex = Number.MAX_SAFE_INTEGER
  suspendCurrentQueueTimeMillis = -1
  #controller: AbortController | undefined
  #reason: Error | undefined

  constructor(messageQueue: MessageQueue) {
    this.messageQueue = messageQueue
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** @param reason - Why nobody waits for the handler. */
  abort(reason: Error): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
