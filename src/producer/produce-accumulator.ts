import { RemotingError, type RocketMQError } from '../errors.js'
import type { Message } from '../message/message.js'
import { systemPropertiesOf } from '../message/system-properties.js'
import { abortError, listenToAbort, monotonicNow } from '../remoting/deadline.js'
import { AccumulatedBatch, type AccumulatedSend } from './accumulated-batch.js'
import type { ResolvedAutoBatchOptions } from './auto-batch-options.js'
import { batchObstacle, partSize } from './batch.js'
import { BatchLane } from './batch-lane.js'
import type { OutgoingMessage } from './outgoing-message.js'
import type { PartsSender, SendTarget } from './parts-sender.js'
import type { SendResult } from './send-result.js'

export interface AccumulateOptions {
  /** In milliseconds, from now. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
}

/** Node's timers may fire this much early. In milliseconds. */
const TIMER_SLACK = 1

/**
 * Puts sends that are started close together into one request, and gives each of them its own result.
 *
 * Messages with a queue of their own leave in the order of coming: batches for one queue go one after the other, and what can't be in a batch has its place between
 * them. Messages for any queue share a batch when they have the same tags and `waitStoreMsgOk`.
 *
 * @see ProduceAccumulator
 */
export class ProduceAccumulator {
  readonly #options: ResolvedAutoBatchOptions
  readonly #sender: PartsSender
  readonly #lanes = new Map<string, BatchLane>()
  #lastKey: { topic: string; waitStoreMsgOk: boolean; tags: string | undefined; key: string } | undefined
  #waiting = 0
  #heldBytes = 0
  #isClosed = false
  #timer: NodeJS.Timeout | undefined
  #wakeAt = Number.POSITIVE_INFINITY

  constructor(options: ResolvedAutoBatchOptions, sender: PartsSender) {
    this.#options = options
    this.#sender = sender
  }

  /** Sends that have not left yet. */
  get waiting(): number {
    return this.#waiting
  }

  /** Bytes of the messages that wait or are in flight. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /**
   * Sends a message in company, where that may be.
   *
   * @param outgoing - Uncompressed.
   * @param now - On the monotonic clock.
   * @throws what the {@link PartsSender} rejects with; `ABORTED` and `TIMEOUT` when that comes before the message has left.
   */
  add(
    outgoing: OutgoingMessage,
    message: Message,
    target: SendTarget,
    { timeout, signal }: AccumulateOptions,
    now: number = monotonicNow(),
  ): Promise<SendResult> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(unsent(abortError(`send to topic ${outgoing.topic}`, signal)))
      const deadline = now + timeout
      const size = partSize(outgoing)
      const send = { outgoing, message, size, timeout, deadline, signal, resolve, reject, onAbort: undefined }
      this.#accept(send, target, now)
    })
  }

  /** Lets everything leave that waits for company. */
  flush(): void {
    for (const lane of this.#lanes.values()) {
      if (lane.tail !== undefined) lane.tail.dueAt = 0
      this.#advance(lane)
    }
  }

  /** Flushes; what is added from now on waits for no company. */
  close(): void {
    this.#isClosed = true
    this.flush()
  }

  #accept(send: AccumulatedSend, target: SendTarget, now: number): void {
    const lane = this.#laneFor(send, target)
    const batch = this.#batchFor(lane, send, target)
    batch.add(send)
    this.#waiting++
    this.#heldBytes += send.size
    const dueAt = this.#mayWait(batch) ? now + Math.min(this.#options.maxDelay, send.timeout / 2) : now
    if (dueAt < batch.dueAt) batch.dueAt = dueAt
    if (send.signal !== undefined) this.#listen(lane, batch, send, send.signal)
    this.#advance(lane, now)
    if (!batch.isInFlight && this.#waiting > 0) this.#wake(wakeTime(batch, now))
  }

  #laneFor({ outgoing, message }: AccumulatedSend, { queue }: SendTarget): BatchLane {
    const { topic, waitStoreMsgOk } = outgoing
    const key =
      queue === undefined
        ? this.#anyQueueKey(topic, waitStoreMsgOk, message.tags)
        : `one\n${topic}\n${queue.brokerName}\n${queue.queueId}`
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = new BatchLane(key, queue !== undefined)
      this.#lanes.set(key, lane)
    }
    return lane
  }

  /** Most messages have the key of the one before: to put it together again would cost more than to look up its lane. */
  #anyQueueKey(topic: string, waitStoreMsgOk: boolean, tags: string | undefined): string {
    const last = this.#lastKey
    if (last?.topic === topic && last.waitStoreMsgOk === waitStoreMsgOk && last.tags === tags) return last.key
    const key = `any\n${topic}\n${waitStoreMsgOk}\n${tags ?? ''}`
    this.#lastKey = { topic, waitStoreMsgOk, tags, key }
    return key
  }

  #batchFor(lane: BatchLane, { outgoing, message, size }: AccumulatedSend, target: SendTarget): AccumulatedBatch {
    const { maxBytes, maxCount } = this.#options
    const isAlone = size > maxBytes || !isBatchable(outgoing, message)
    const { tail } = lane
    if (!isAlone && tail?.hasRoom(outgoing, size, maxBytes, maxCount)) return tail
    const batch = new AccumulatedBatch(target, isAlone)
    lane.push(batch)
    return batch
  }

  #mayWait(batch: AccumulatedBatch): boolean {
    const { maxBytes, maxCount, maxBytesTotal } = this.#options
    if (this.#isClosed || batch.isAlone || this.#heldBytes > maxBytesTotal) return false
    return batch.size < maxBytes && batch.sends.length < maxCount
  }

  /** Lets leave what is due and not held up; what has another batch behind it takes no more messages and is due. */
  #advance(lane: BatchLane, now: number = monotonicNow()): void {
    for (let head = lane.head; head !== undefined && !lane.isBlocked; head = lane.head) {
      this.#rejectLate(head, now)
      const isDue = head.sends.length === 0 || head.next !== undefined || head.dueAt <= now + TIMER_SLACK
      if (!isDue) break
      lane.shift()
      if (head.sends.length > 0) this.#dispatch(lane, head)
    }
    if (lane.isIdle) this.#lanes.delete(lane.key)
    if (this.#waiting === 0) this.#stopTimer()
  }

  #dispatch(lane: BatchLane, batch: AccumulatedBatch): void {
    const { size } = batch
    this.#waiting -= batch.sends.length
    lane.inFlight++
    void batch.send(this.#sender).then(() => {
      lane.inFlight--
      this.#heldBytes -= size
      this.#advance(lane)
    })
  }

  #listen(lane: BatchLane, batch: AccumulatedBatch, send: AccumulatedSend, signal: AbortSignal): void {
    send.onAbort = () => {
      if (batch.isInFlight) return batch.abandon(send)
      this.#drop(batch, send, abortError(`send to topic ${send.outgoing.topic}`, signal))
      this.#advance(lane)
    }
    listenToAbort(signal, send.onAbort)
  }

  #rejectLate(batch: AccumulatedBatch, now: number): void {
    if (batch.deadline > now) return
    for (const send of [...batch.sends]) if (send.deadline <= now) this.#drop(batch, send, tooLate(send, batch.target))
  }

  #drop(batch: AccumulatedBatch, send: AccumulatedSend, error: RocketMQError): void {
    batch.remove(send)
    this.#waiting--
    this.#heldBytes -= send.size
    send.reject(unsent(error))
  }

  #wake(at: number): void {
    if (at >= this.#wakeAt) return
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(this.#onTimer, Math.max(1, Math.ceil(at - monotonicNow())))
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wakeAt = Number.POSITIVE_INFINITY
  }

  readonly #onTimer = (): void => {
    this.#stopTimer()
    const now = monotonicNow() + TIMER_SLACK
    let next = Number.POSITIVE_INFINITY
    for (const lane of this.#lanes.values()) {
      for (let batch = lane.head; batch !== undefined; batch = batch.next) this.#rejectLate(batch, now)
      this.#advance(lane)
      for (let batch = lane.head; batch !== undefined; batch = batch.next) next = Math.min(next, wakeTime(batch, now))
    }
    if (this.#waiting > 0) this.#wake(next)
  }
}

/** When something is to be done about a batch that waits: one that is due and held up has only its deadline. */
function wakeTime(batch: AccumulatedBatch, now: number): number {
  return batch.dueAt > now ? Math.min(batch.dueAt, batch.deadline) : batch.deadline
}

/** Messages that only this client makes, such as requests and replies, are few and in a hurry. */
function isBatchable(outgoing: OutgoingMessage, message: Message): boolean {
  return batchObstacle(outgoing) === undefined && systemPropertiesOf(message) === undefined
}

function tooLate({ outgoing, timeout }: AccumulatedSend, { queue }: SendTarget): RemotingError {
  const place = queue === undefined ? 'any queue' : `${queue.brokerName}[${queue.queueId}]`
  return new RemotingError(
    'TIMEOUT',
    `send to topic ${outgoing.topic}: not sent within ${Math.round(timeout)} ms; it waited behind earlier sends to ${place}`,
    { address: queue?.brokerName ?? '' },
  )
}

function unsent(error: RocketMQError): RocketMQError {
  error.attempts = []
  error.mayBeStored = false
  return error
}
