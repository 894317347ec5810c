import { UniqueIdGenerator } from '../../codec/message-id.js'
import type { Client } from '../client.js'
import { DrainWaiters } from '../drain-waiters.js'
import { RareWarning } from './rare-warning.js'
import { type TraceMessage, toTraceBatch } from './trace-message.js'
import type { ResolvedMessageTraceOptions } from './trace-options.js'
import type { TraceRecord } from './trace-record.js'
import { TraceSender } from './trace-sender.js'

export type TraceKind = 'PRODUCE' | 'CONSUME'

const GROUP_PREFIX = '_INNER_TRACE_PRODUCER'
const MAX_IN_FLIGHT = 4
/** After a failure nothing is sent for so long, twice as long after each further one. In milliseconds. */
const MIN_PAUSE = 1000
const MAX_PAUSE = 30_000
const DEFAULT_FLUSH_TIMEOUT = 5000

/** Tells the dispatchers of a process apart, as Java's counter does. */
let dispatcherCount = 0

/**
 * Sends the trace records of one producer or consumer in the background. Whatever happens to them, the member that appends them neither waits nor fails:
 * records that find no room, or whose message can't be sent, are dropped and counted.
 *
 * @see AsyncTraceDispatcher
 */
export class TraceDispatcher {
  readonly traceTopic: string
  readonly #client: Client
  readonly #groupName: string
  readonly #options: ResolvedMessageTraceOptions
  readonly #sender: TraceSender
  /** So many records are sent without waiting for further ones. */
  readonly #fullBatch: number
  readonly #overflow: RareWarning
  readonly #failure: RareWarning
  readonly #ids = new UniqueIdGenerator()
  readonly #waiting: TraceRecord[] = []
  /** Of those at the front: to be sent without waiting for a full batch. */
  #due = 0
  #inFlight = 0
  #failures = 0
  #sent = 0
  #dropped = 0
  #flushTimer: NodeJS.Timeout | undefined
  #pause: NodeJS.Timeout | undefined
  #turn: NodeJS.Immediate | undefined
  readonly #flushes = new DrainWaiters()
  #stopping: Promise<void> | undefined
  #isStopped = false

  /** @param groupName - Of the producer or consumer, without namespace. */
  constructor(client: Client, groupName: string, kind: TraceKind, options: ResolvedMessageTraceOptions) {
    const traceGroup = `${GROUP_PREFIX}-${groupName}-${kind}-${++dispatcherCount}`
    this.traceTopic = options.traceTopic
    this.#client = client
    this.#groupName = groupName
    this.#options = options
    this.#sender = new TraceSender(client, options.traceTopic, traceGroup)
    this.#fullBatch = Math.min(options.batchSize, options.queueSize)
    this.#overflow = new RareWarning(client.logger)
    this.#failure = new RareWarning(client.logger)
  }

  /** Records so far: those that brokers have stored, and those that are lost. */
  get counts(): { readonly sent: number; readonly dropped: number; readonly waiting: number } {
    return { sent: this.#sent, dropped: this.#dropped, waiting: this.#waiting.length }
  }

  /** For the two records of one consumption. */
  newRequestId(): string {
    return this.#ids.next()
  }

  /**
   * Puts a record into the queue; encoding and sending come later. Never throws.
   *
   * @returns false when it was left out: there was no room, the broker wants no trace, it is about the trace topic itself, or this dispatcher is stopped.
   */
  append(record: TraceRecord): boolean {
    if (this.#stopping !== undefined || record.topic === this.traceTopic) return false
    if (record.traceType === 'Pub' && record.traceOn === false) return false
    if (this.#waiting.length >= this.#options.queueSize) {
      this.#dropped++
      this.#overflow.warn('message trace: the queue is full, records are dropped', () => this.#state())
      return false
    }
    this.#waiting.push(record)
    this.#wake()
    return true
  }

  /**
   * Sends what is waiting now. Resolves when brokers have it, when sending fails, or when the time is over.
   *
   * @param timeout - In milliseconds. Default 5000.
   */
  async flush(timeout: number = DEFAULT_FLUSH_TIMEOUT): Promise<void> {
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#due = this.#waiting.length
    this.#wake()
    if (!this.#isFlushed()) await this.#flushes.wait(timeout)
  }

  /**
   * Takes no more records, sends what is waiting, and drops what can't be sent in time. No timer is left when it resolves. The client must still be running.
   *
   * @param timeout - In milliseconds. Default 5000.
   */
  stop(timeout?: number): Promise<void> {
    this.#stopping ??= this.#stop(timeout)
    return this.#stopping
  }

  async #stop(timeout: number | undefined): Promise<void> {
    await this.flush(timeout)
    this.#isStopped = true
    clearTimeout(this.#flushTimer)
    clearTimeout(this.#pause)
    clearImmediate(this.#turn)
    const left = this.#waiting.length
    if (left === 0) return
    this.#waiting.length = 0
    this.#due = 0
    this.#dropped += left
    this.#client.logger.warn(`message trace: ${left} records were not sent before the shutdown`, this.#state())
  }

  /** Has the next batch sent in a later turn of the event loop, one batch a turn; or later, when it is not due. */
  #wake(): void {
    if (this.#mayStart()) {
      this.#turn ??= setImmediate(() => {
        this.#turn = undefined
        this.#startOne()
      })
    } else if (this.#flushTimer === undefined && this.#waiting.length > 0) {
      this.#flushTimer = setTimeout(() => {
        this.#flushTimer = undefined
        this.#due = this.#waiting.length
        this.#wake()
      }, this.#options.flushInterval).unref()
    }
  }

  #mayStart(): boolean {
    if (this.#pause !== undefined || this.#inFlight >= MAX_IN_FLIGHT) return false
    return this.#due > 0 || this.#waiting.length >= this.#fullBatch
  }

  #startOne(): void {
    const { message, taken, unfit } = toTraceBatch(this.#waiting, this.#groupName, this.#options)
    this.#waiting.splice(0, taken)
    this.#due = Math.max(0, this.#due - taken)
    if (unfit > 0) {
      this.#dropped += unfit
      this.#failure.warn('message trace: a record is malformed or larger than maxMessageSize, and is dropped', () =>
        this.#state(),
      )
    }
    if (message !== undefined) void this.#send(message)
    this.#wake()
    this.#endFlushes()
  }

  async #send(message: TraceMessage): Promise<void> {
    this.#inFlight++
    try {
      await this.#sender.send(message)
      this.#sent += message.recordCount
      this.#failures = 0
    } catch (error) {
      this.#dropped += message.recordCount
      this.#failure.warn('message trace: records could not be sent and are dropped', () => ({
        error,
        ...this.#state(),
      }))
      this.#startPause()
    }
    this.#inFlight--
    this.#wake()
    this.#endFlushes()
  }

  #endFlushes(): void {
    if (this.#isFlushed()) this.#flushes.tell()
  }

  /** What failed now will likely fail again at once: no storm. */
  #startPause(): void {
    if (this.#pause !== undefined || this.#isStopped) return
    const pause = Math.min(MAX_PAUSE, MIN_PAUSE * 2 ** this.#failures++)
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.#due = this.#waiting.length
      this.#wake()
    }, pause).unref()
  }

  /** A failure ends a flush too. */
  #isFlushed(): boolean {
    return this.#inFlight === 0 && (this.#due === 0 || this.#pause !== undefined)
  }

  #state(): object {
    return { traceTopic: this.traceTopic, group: this.#groupName, ...this.counts }
  }
}
