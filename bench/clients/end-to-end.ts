import { setTimeout as delay } from 'node:timers/promises'
import { burn } from './burn.js'
import { bodyOf, type Job } from './job.js'
import { Latencies } from './latencies.js'
import { MeasuredWindow } from './measured-window.js'
import type { Measured, ReceivedMessage, Receiver } from './receiver.js'

/** How long the last messages of the warm-up and of the window may take to come, in milliseconds. */
const GRACE = 3_000
/** Between two looks at the clock, in milliseconds. */
const TICK = 1

/**
 * Sends at a fixed rate what the same process receives. The body carries the time of its send.
 *
 * The window begins when the consumer has its queues and the warm-up is over.
 */
export class EndToEnd implements Receiver {
  isOpen = true
  readonly #job: Job
  readonly #latencies: Latencies
  readonly #template: Buffer
  readonly #window = new MeasuredWindow()
  /** Sends from this time on belong to the window, by `performance.now()`. */
  #from = Number.POSITIVE_INFINITY
  #sent = 0
  #sentInWindow = 0
  #received = 0
  #receivedInWindow = 0
  #onEnd: (measured: Measured) => void = () => undefined

  constructor(job: Job) {
    this.#job = job
    this.#latencies = new Latencies(job.messages)
    this.#template = bodyOf(job.bodySize)
  }

  receive(message: ReceivedMessage): void {
    if (!this.isOpen) return
    this.#received++
    burn(this.#job.burn)
    const sentAt = message.body.readDoubleBE(0)
    if (sentAt < this.#from) return
    this.#latencies.record(performance.now() - sentAt)
    this.#receivedInWindow++
    if (this.#receivedInWindow === this.#job.messages) this.#stop()
  }

  /** @param send - Rejects when a message is not stored. */
  run(send: (body: Buffer) => Promise<unknown>): Promise<Measured> {
    return new Promise((resolve, reject) => {
      this.#onEnd = resolve
      this.#sendAll(send).catch(reject)
    })
  }

  async #sendAll(send: (body: Buffer) => Promise<unknown>): Promise<void> {
    const pace = async (messages: number, rate: number): Promise<void> => {
      const startedAt = performance.now()
      let sent = 0
      while (sent < messages && this.isOpen) {
        const due = Math.min(messages, Math.ceil(((performance.now() - startedAt) * rate) / 1000))
        for (; sent < due; sent++) this.#sendOne(send)
        await delay(TICK)
      }
    }
    this.#sendOne(send)
    // Some clients take seconds to get their queues.
    while (this.#received === 0) await delay(TICK)
    await pace(this.#job.warmUp, this.#job.warmUpRate)
    const graceEnd = performance.now() + GRACE
    while (this.#received < this.#sent && performance.now() < graceEnd) await delay(TICK)
    this.#window.start()
    this.#from = performance.now()
    await pace(this.#job.messages, this.#job.rate)
    setTimeout(() => this.#stop(), GRACE).unref()
  }

  #sendOne(send: (body: Buffer) => Promise<unknown>): void {
    const body = Buffer.from(this.#template)
    const now = performance.now()
    body.writeDoubleBE(now, 0)
    this.#sent++
    if (now >= this.#from) this.#sentInWindow++
    send(body).catch((error: unknown) => {
      throw error
    })
  }

  #stop(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#window.stop()
    const { seconds, cpu } = this.#window
    const missing = this.#sentInWindow - this.#receivedInWindow
    const fault = missing === 0 ? undefined : { fault: `${missing} of ${this.#sentInWindow} messages did not come` }
    const latency = this.#latencies.summary()
    this.#onEnd({
      messages: this.#receivedInWindow,
      seconds,
      cpu,
      total: this.#sent,
      ...(latency === undefined ? undefined : { latency }),
      ...fault,
    })
  }
}
