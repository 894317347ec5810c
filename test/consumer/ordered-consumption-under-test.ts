import { onTestFinished, vi } from 'vitest'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import type { ConsumeContext } from '../../src/consumer/consume-context.js'
import { TopicStatistics } from '../../src/consumer/consume-statistics.js'
import { ConsumedQueue, type ConsumeRun } from '../../src/consumer/consumed-queue.js'
import { KeyOrderedConsumption } from '../../src/consumer/key-ordered-consumption.js'
import type { OrderedConsumptionHost, OrderedConsumptionOptions } from '../../src/consumer/ordered-consumption.js'
import { OrderlyConsumption } from '../../src/consumer/orderly-consumption.js'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import type { MessageExt } from '../../src/message/message.js'
import { HandlerCall } from './consumption-under-test.js'
import { decodedMessage } from './stored-messages.js'

export type OrderedMode = 'orderly' | 'keyOrdered'

/** A message of a key, by its offset; without a key: undefined. */
export type KeyedOffset = readonly [offset: number, key: string | undefined]

/** A consumption in order whose handlers do what the test says, and a host that takes down what it is told. */
export class OrderedConsumptionUnderTest implements OrderedConsumptionHost {
  readonly consumption: OrderlyConsumption | KeyOrderedConsumption
  readonly calls: HandlerCall[] = []
  readonly observers = []
  readonly deadLetters: { readonly offset: number; readonly reconsumeTimes: number }[] = []
  readonly slow: number[] = []
  readonly timedOut: number[] = []
  readonly failures: unknown[] = []
  readonly reports: string[] = []
  readonly statistics = new TopicStatistics()
  progress = 0
  /** Throws where no broker takes it. */
  takeDeadLetter: (message: StoredMessage) => Promise<void> = async () => undefined
  handler = (messages: MessageExt[], context: ConsumeContext): unknown => {
    const call = new HandlerCall(messages, context)
    this.calls.push(call)
    return call.result
  }

  constructor(mode: OrderedMode, options: Partial<OrderedConsumptionOptions> = {}) {
    const resolved = {
      consumeConcurrency: 20,
      consumeMessageBatchMaxSize: 1,
      consumeTimeout: 900_000,
      consumeRateLimit: undefined,
      maxReconsumeTimes: -1,
      suspendCurrentQueueTimeMillis: 1_000,
      ...options,
    }
    this.consumption =
      mode === 'orderly' ? new OrderlyConsumption(this, resolved) : new KeyOrderedConsumption(this, resolved)
    this.consumption.start()
    onTestFinished(() => this.consumption.stop())
  }

  /** A queue that the consumption knows of, with messages at these offsets. */
  queue(queueId: number, ...messages: (KeyedOffset | number)[]): ConsumedQueue {
    const queue = { topic: 'ns%T', brokerName: 'broker-a', queueId }
    const consumed = new ConsumedQueue(
      queue,
      { ...queue, topic: 'T' },
      new ProcessQueue(0),
      this.statistics,
      () => this.progress++,
    )
    this.add(consumed, ...messages)
    return consumed
  }

  /** Adds messages to a queue, as a pull does. */
  add(queue: ConsumedQueue, ...messages: (KeyedOffset | number)[]): void {
    const decoded = messages.map((one) =>
      keyedMessage(...(typeof one === 'number' ? ([one, undefined] as const) : one)),
    )
    queue.processQueue.add(decoded, (decoded.at(-1)?.queueOffset ?? -1) + 1)
    this.consumption.wake(queue)
  }

  /** What handlers have got: offsets, call by call. */
  get given(): number[][] {
    return this.calls.map(({ offsets }) => offsets)
  }

  get lastCall(): HandlerCall {
    const call = this.calls.at(-1)
    if (call === undefined) throw new Error('the handler was not called')
    return call
  }

  call(index: number): HandlerCall {
    const call = this.calls[index]
    if (call === undefined) throw new Error(`the handler was called ${this.calls.length} times only`)
    return call
  }

  /** The latest call that got this message. */
  callOf(offset: number): HandlerCall {
    const call = this.calls.findLast(({ offsets }) => offsets.includes(offset))
    if (call === undefined) throw new Error(`no handler got message ${offset}`)
    return call
  }

  async sendToDeadLetters(message: StoredMessage): Promise<void> {
    await this.takeDeadLetter(message)
    this.deadLetters.push({ offset: message.queueOffset, reconsumeTimes: message.reconsumeTimes })
  }

  onSlow({ messages }: ConsumeRun): void {
    this.slow.push(messages[0]?.queueOffset ?? -1)
  }

  onTimeout({ messages }: ConsumeRun): void {
    this.timedOut.push(messages[0]?.queueOffset ?? -1)
  }

  onFailed(_run: ConsumeRun, error: unknown): void {
    this.failures.push(error)
  }

  report(_error: unknown, what: string): void {
    this.reports.push(what)
  }
}

export function keyedMessage(queueOffset: number, key: string | undefined): StoredMessage {
  return decodedMessage({ queueOffset, ...(key === undefined ? undefined : { properties: { __SHARDINGKEY: key } }) })
}

/** Timers stand still until the test moves them. */
export function fakeTimers(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}
