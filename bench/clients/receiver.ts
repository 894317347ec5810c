import { burn } from './burn.js'
import type { Job, Outcome } from './job.js'
import { MeasuredWindow } from './measured-window.js'

/** What every client gives of a message that it received. */
export interface ReceivedMessage {
  readonly queueId: number
  readonly queueOffset: number
  readonly body: Buffer
}

/** What a consumer hands its messages to. */
export interface Receiver {
  /** False when everything has come or the time is over: nothing more need be asked for. */
  readonly isOpen: boolean
  receive(message: ReceivedMessage): void
}

export type Measured = Omit<Outcome, 'peakRss'>

/** Counts and checks what is read of a backlog. Measures from the end of the warm-up, by messages or time, to the end of the window, by messages or time. */
export class BacklogReceiver implements Receiver {
  isOpen = true
  readonly #job: Job
  readonly #window = new MeasuredWindow()
  readonly #check: (queueId: number, queueOffset: number) => boolean
  readonly #onEnd: (measured: Measured) => void
  #total = 0
  #isStarted = false
  /** Messages that came before the window. */
  #warmUp = Number.POSITIVE_INFINITY
  #fault: string | undefined

  constructor(job: Job, onEnd: (measured: Measured) => void) {
    this.#job = job
    this.#onEnd = onEnd
    this.#check = job.kind === 'push' ? eachOnce(job) : inOrder(job)
  }

  receive(message: ReceivedMessage): void {
    if (!this.isOpen) return
    const { queueId, queueOffset, body } = message
    if (!this.#check(queueId, queueOffset) || body.length !== this.#job.bodySize) {
      this.#fault ??= `offset ${queueOffset} of queue ${queueId} with ${body.length} bytes came when it was not due`
    }
    burn(this.#job.burn)
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

/** Whether an offset is the next one of its queue. */
function inOrder(job: Job): (queueId: number, queueOffset: number) => boolean {
  const next = new Array<number>(job.queues).fill(0)
  return (queueId, queueOffset) => {
    const isDue = next[queueId] === queueOffset
    next[queueId] = queueOffset + 1
    return isDue
  }
}

/** Whether an offset exists and has not come before: handlers at work at the same time have no order. */
function eachOnce(job: Job): (queueId: number, queueOffset: number) => boolean {
  const length = job.backlog / job.queues
  const seen = new Uint8Array(job.backlog)
  return (queueId, queueOffset) => {
    const index = queueId * length + queueOffset
    const isDue = queueOffset < length && seen[index] === 0
    seen[index] = 1
    return isDue
  }
}
