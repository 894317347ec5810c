import type { Client } from '../client/client.js'
import { TraceDispatcher } from '../client/trace/trace-dispatcher.js'
import type { ResolvedMessageTraceOptions } from '../client/trace/trace-options.js'
import { ConsumeHookRunner } from './consume-hook-runner.js'
import type { ConsumerHooks } from './consume-hooks.js'
import type { ConsumeObserver } from './consume-observer.js'
import { consumeTraceObserver } from './consume-trace-observer.js'

export interface ConsumeObserversOptions {
  readonly hooks: readonly ConsumerHooks[]
  readonly messageTrace: ResolvedMessageTraceOptions | undefined
  readonly consumerGroup: string
}

/** Who is told of what a consumer hands out, as its options say: the user's hooks, and the trace. */
export class ConsumeObservers {
  readonly list: readonly ConsumeObserver[]
  /** Where there are hooks that filter. */
  readonly filter: ConsumeHookRunner | undefined
  readonly #trace: TraceDispatcher | undefined

  constructor(client: Client, { hooks, messageTrace, consumerGroup }: ConsumeObserversOptions) {
    const list: ConsumeObserver[] = []
    if (hooks.length > 0) {
      const runner = new ConsumeHookRunner(hooks, consumerGroup, client.logger)
      list.push(runner)
      if (runner.filters) this.filter = runner
    }
    if (messageTrace !== undefined) {
      this.#trace = new TraceDispatcher(client, consumerGroup, 'CONSUME', messageTrace)
      list.push(consumeTraceObserver(this.#trace))
    }
    this.list = list
  }

  /** Sends what is not sent yet. @param timeout - In milliseconds. */
  async stop(timeout: number | undefined): Promise<void> {
    await this.#trace?.stop(timeout)
  }
}
