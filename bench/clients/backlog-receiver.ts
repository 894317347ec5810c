import type { Job, Outcome } from './job.js'
import { MeasuredWindow } from './measured-window.js'

/** What every client gives of a message that it received. */
export interface ReceivedMessage {
  readonly queueId: number
  readonly queueOffset: number
  readonly body: Buffer
}

/** Counts and checks what a consumer receives. */
export interface Receiver {
  /** False when everything has come or the time is over: nothing more need be asked for. */
  readonly isOpen: boolean
  /** The queue offset to be received next. */
  nextOffset(queueId: number): number
  receive(message: ReceivedMessage): void
}

/** Measures from the end of the warm-up, by messages or time, to the end of the window, by messages or time. */
export class BacklogReceiver implements Receiver {
  isOpen = true
  readonly #job: Job
  readonly #window = new MeasuredWindow()
  readonly #nextOffsets: number[]
  readonly #onEnd: (measured: Omit<Outcome, 'peakRss'>) => void
  #total = 0
  #isStarted = false
  /** Messages that came before the window. */
  #warmUp = Number.POSITIVE_INFINITY
  #fault: string | undefined

  constructor(job: Job, onEnd: (measured: Omit<Outcome, 'peakRss'>) => void) {
    this.#job = job
    this.#onEnd = onEnd
    this.#nextOffsets = new Array<number>(job.queues).fill(0)
  }

  nextOffset(queueId: number): number {
    return this.#nextOffsets[queueId] ?? 0
  }

  receive(message: ReceivedMessage): void {
    if (!this.isOpen) return
    const { queueId, queueOffset, body } = message
    if (queueOffset !== this.#nextOffsets[queueId] || body.length !== this.#job.bodySize) {
      this.#fault ??= `queue ${queueId} gave offset ${queueOffset} with ${body.length} bytes where ${this.#nextOffsets[queueId]} was due`
    }
    this.#nextOffsets[queueId] = queueOffset + 1
    if (this.#total === 0) setTimeout(() => this.#start(), this.#job.maxWarmUp).unref()
    this.#total++
    if (this.#total === this.#job.warmUp) this.#start()
    else if (this.#total === this.#warmUp + this.#job.messages) this.#stop()
  }

  #start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#warmUp = this.#total
    setTimeout(() => this.#stop(), this.#job.maxWindow).unref()
    this.#window.start()
  }

  #stop(): void {
    if (!this.isOpen) return
    this.#window.stop()
    this.isOpen = false
    const { seconds, cpu } = this.#window
    const fault = this.#fault === undefined ? undefined : { fault: this.#fault }
    this.#onEnd({ messages: this.#total - this.#warmUp, seconds, cpu, total: this.#total, ...fault })
  }
}
