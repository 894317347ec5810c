import { onTestFinished } from 'vitest'
import type { StoredMessage } from '../../src/codec/stored-message.js'
import { ConcurrentConsumption, type ConcurrentConsumptionHost } from '../../src/consumer/concurrent-consumption.js'
import type { ConsumeContext } from '../../src/consumer/consume-context.js'
import type { ConsumeObserver } from '../../src/consumer/consume-observer.js'
import { TopicStatistics } from '../../src/consumer/consume-statistics.js'
import { ConsumedQueue, type ConsumeRun } from '../../src/consumer/consumed-queue.js'
import type { ConsumptionOptions } from '../../src/consumer/consumption-host.js'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import type { MessageExt } from '../../src/message/message.js'
import { messagesAt, offsetsOf } from './stored-messages.js'

/** One call of the handler, which goes on until the test ends it. */
export class HandlerCall {
  readonly messages: MessageExt[]
  readonly context: ConsumeContext
  readonly result: Promise<void>
  succeed: () => void = () => undefined
  fail: (error: unknown) => void = () => undefined

  constructor(messages: MessageExt[], context: ConsumeContext) {
    this.messages = messages
    this.context = context
    this.result = new Promise((resolve, reject) => {
      this.succeed = resolve
      this.fail = reject
    })
  }

  get offsets(): number[] {
    return offsetsOf(this.messages)
  }

  get queueId(): number {
    return this.context.messageQueue.queueId
  }
}

/** A consumption whose handlers do what the test says, and a host that takes down what it is told. */
export class ConsumptionUnderTest implements ConcurrentConsumptionHost {
  readonly consumption: ConcurrentConsumption
  readonly calls: HandlerCall[] = []
  readonly observers: ConsumeObserver[] = []
  readonly sentBack: { queueOffset: number; delayLevel: number }[] = []
  readonly dropped: number[] = []
  readonly slow: { run: ConsumeRun; elapsed: number }[] = []
  readonly timedOut: { run: ConsumeRun; elapsed: number }[] = []
  readonly failures: unknown[] = []
  readonly reports: { error: unknown; what: string }[] = []
  readonly statistics = new TopicStatistics()
  progress = 0
  /** What to do with a message that comes back; throws where no broker takes it. */
  takeBack: (message: StoredMessage) => Promise<void> = async () => undefined
  handler = (messages: MessageExt[], context: ConsumeContext): unknown => {
    const call = new HandlerCall(messages, context)
    this.calls.push(call)
    return call.result
  }
  sendBack: ConcurrentConsumptionHost['sendBack'] = async (message, delayLevel) => {
    await this.takeBack(message)
    this.sentBack.push({ queueOffset: message.queueOffset, delayLevel })
  }

  constructor(options: Partial<ConsumptionOptions> = {}) {
    this.consumption = new ConcurrentConsumption(this, {
      consumeConcurrency: 20,
      consumeMessageBatchMaxSize: 1,
      consumeTimeout: 900_000,
      consumeRateLimit: undefined,
      ...options,
    })
    this.consumption.start()
    onTestFinished(() => this.consumption.stop())
  }

  /** A queue with messages at these offsets, which the consumption knows of. */
  queue(queueId: number, ...offsets: number[]): ConsumedQueue {
    const queue = { topic: 'ns%T', brokerName: 'broker-a', queueId }
    const processQueue = new ProcessQueue(offsets[0] ?? 0)
    const messageQueue = { ...queue, topic: 'T' }
    const consumed = new ConsumedQueue(queue, messageQueue, processQueue, this.statistics, () => {
      this.progress++
    })
    this.add(consumed, ...offsets)
    return consumed
  }

  /** Adds messages to a queue, as a pull does. */
  add(queue: ConsumedQueue, ...offsets: number[]): void {
    queue.processQueue.add(messagesAt(...offsets), (offsets.at(-1) ?? -1) + 1)
    this.consumption.wake(queue)
  }

  call(index: number): HandlerCall {
    const call = this.calls[index]
    if (call === undefined) throw new Error(`the handler was called ${this.calls.length} times only`)
    return call
  }

  onDropped(_queue: ConsumedQueue, messages: readonly StoredMessage[]): void {
    this.dropped.push(...offsetsOf(messages))
  }

  onSlow(run: ConsumeRun, elapsed: number): void {
    this.slow.push({ run, elapsed })
  }

  onTimeout(run: ConsumeRun, elapsed: number): void {
    this.timedOut.push({ run, elapsed })
  }

  onFailed(_run: ConsumeRun, error: unknown): void {
    this.failures.push(error)
  }

  report(error: unknown, what: string): void {
    this.reports.push({ error, what })
  }
}
