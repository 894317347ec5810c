import { callHook, HOOK_FAILED, hooksRule } from '../client/user-hooks.js'
import type { StoredMessage } from '../codec/stored-message.js'
import { shown } from '../errors.js'
import type { Logger } from '../logger.js'
import type { MessageQueue } from '../message/message.js'
import type { ConsumeMessageContext, ConsumerHooks } from './consume-hooks.js'
import type { ConsumeObserver, ConsumeOutcome } from './consume-observer.js'
import type { ConsumeRun } from './consumed-queue.js'

const HOOK_NAMES = ['consumeMessageBefore', 'consumeMessageAfter', 'filterMessage'] as const

/** One set of hooks or several. */
export const consumerHooksRule = hooksRule<ConsumerHooks>(HOOK_NAMES)

/** Calls the user's hooks. What one throws is theirs: it must not fail a message. */
export class ConsumeHookRunner implements ConsumeObserver {
  readonly #hooks: readonly ConsumerHooks[]
  readonly #consumerGroup: string
  readonly #logger: Logger
  readonly #contexts = new WeakMap<ConsumeRun, ConsumeMessageContext>()

  /** @param consumerGroup - As the user knows it. */
  constructor(hooks: readonly ConsumerHooks[], consumerGroup: string, logger: Logger) {
    this.#hooks = hooks
    this.#consumerGroup = consumerGroup
    this.#logger = logger
  }

  /** Whether there is one that filters: else nobody need ask. */
  get filters(): boolean {
    return this.#hooks.some(({ filterMessage }) => filterMessage !== undefined)
  }

  before(run: ConsumeRun): void {
    const context: ConsumeMessageContext = {
      consumerGroup: this.#consumerGroup,
      messageQueue: run.queue.messageQueue,
      messages: run.messages.slice(),
      startedAt: run.startTimestamp,
      elapsed: 0,
    }
    this.#contexts.set(run, context)
    for (const hooks of this.#hooks)
      callHook(this.#logger, 'consumeMessageBefore', () => hooks.consumeMessageBefore?.(context))
  }

  after(run: ConsumeRun, { isSuccess, type, elapsed, error }: ConsumeOutcome): void {
    const context = this.#contexts.get(run)
    if (context === undefined) return
    context.elapsed = elapsed
    context.success = isSuccess
    context.returnType = type
    if (error !== undefined) context.error = error
    for (const hooks of this.#hooks)
      callHook(this.#logger, 'consumeMessageAfter', () => hooks.consumeMessageAfter?.(context))
  }

  /** What the hooks leave of these messages, in their order. */
  filter(messages: StoredMessage[], messageQueue: MessageQueue): StoredMessage[] {
    let left = messages
    for (const hooks of this.#hooks) {
      if (hooks.filterMessage === undefined || left.length === 0) continue
      const wanted = callHook(this.#logger, 'filterMessage', () => hooks.filterMessage?.(left.slice(), messageQueue))
      if (Array.isArray(wanted)) {
        const set = new Set<unknown>(wanted)
        left = left.filter((message) => set.has(message))
      } else if (wanted !== HOOK_FAILED)
        this.#logger.warn(`hook filterMessage gave back ${shown(wanted)}, no list of messages`)
    }
    return left
  }
}
