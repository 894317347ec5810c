import { callHook, isThenable } from '../client/user-hooks.js'
import { ClientError, type RocketMQError, shown } from '../errors.js'
import type { Logger } from '../logger.js'
import type { EndTransactionContext, ProducerHooks, SendMessageContext } from './producer-hooks.js'
import type { SendAttemptView, SendObserver } from './send-observer.js'
import type { SendResult } from './send-result.js'

/** Calls the user's hooks around attempts. What one throws is theirs: it must not fail a send, except for a ban. */
export class HookRunner implements SendObserver {
  readonly #hooks: readonly ProducerHooks[]
  readonly #producerGroup: string
  readonly #logger: Logger
  readonly #contexts = new WeakMap<SendAttemptView, SendMessageContext>()

  constructor(hooks: readonly ProducerHooks[], producerGroup: string, logger: Logger) {
    this.#hooks = hooks
    this.#producerGroup = producerGroup
    this.#logger = logger
  }

  before(attempt: SendAttemptView): void {
    this.#checkForbidden(attempt)
    const { outgoing, messages, queue, address, communicationMode } = attempt
    const context: SendMessageContext = {
      producerGroup: this.#producerGroup,
      messages,
      msgId: outgoing.uniqKey,
      messageKind: outgoing.kind,
      messageQueue: queue,
      brokerAddress: address,
      communicationMode,
      bodyLength: outgoing.body.length,
      startedAt: Date.now(),
      elapsed: 0,
    }
    this.#contexts.set(attempt, context)
    for (const hooks of this.#hooks)
      callHook(this.#logger, 'sendMessageBefore', () => hooks.sendMessageBefore?.(context))
  }

  after(
    attempt: SendAttemptView,
    result: SendResult | undefined,
    error: RocketMQError | undefined,
    elapsed: number,
  ): void {
    const context = this.#contexts.get(attempt)
    if (context === undefined) return
    context.elapsed = elapsed
    if (result !== undefined) context.sendResult = result
    if (error !== undefined) context.error = error
    for (const hooks of this.#hooks) callHook(this.#logger, 'sendMessageAfter', () => hooks.sendMessageAfter?.(context))
  }

  endTransaction(context: EndTransactionContext): void {
    for (const hooks of this.#hooks) callHook(this.#logger, 'endTransaction', () => hooks.endTransaction?.(context))
  }

  #checkForbidden({ messages, queue, address }: SendAttemptView): void {
    const context = { producerGroup: this.#producerGroup, messages, messageQueue: queue, brokerAddress: address }
    for (const hooks of this.#hooks) {
      let answer: unknown
      try {
        answer = hooks.checkForbidden?.(context)
      } catch (cause) {
        throw forbidden(queue.topic, cause instanceof Error ? cause.message : shown(cause), cause)
      }
      if (!isThenable(answer)) continue
      // Whoever forgets that nobody waits here must not find that everything is allowed.
      answer.then(undefined, () => undefined)
      throw forbidden(queue.topic, 'it returned a promise, but it must decide at once')
    }
  }
}

function forbidden(topic: string, why: string, cause?: unknown): ClientError {
  return new ClientError('FORBIDDEN', `hook checkForbidden forbids a message for topic ${topic}: ${why}`, { cause })
}
