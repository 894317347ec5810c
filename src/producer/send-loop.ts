import pRetry from 'p-retry'
import { BrokerError, ClientError, RemotingError, RocketMQError, type SendAttempt } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { monotonicNow, sleep } from '../remoting/deadline.js'
import { type Outcome, promised } from '../remoting/outcome.js'
import { ResponseCode } from '../remoting/response-code.js'
import { sendFailure } from './send-failure.js'
import { isTimerSwitchedOff } from './timer-refusal.js'

/** One send as the loop sees it. */
export interface SendJob<T> {
  readonly topic: string
  /** For all attempts together, in milliseconds. */
  readonly timeout: number
  /** When they begin, which is now for the first one, on the monotonic clock. */
  readonly startedAt: number
  readonly maxAttempts: number
  /** The caller chose the queue: no other may be taken, so only what was surely not stored is tried again. */
  readonly isQueueFixed: boolean
  /** Codes of the user's own after which another attempt is made too. */
  readonly retryCodes: ReadonlySet<number>
  readonly signal: AbortSignal | undefined
  /** Whether the client is shut down: a further attempt would be for nothing. */
  readonly isClosed: boolean
  /** The queue for the next attempt: of another broker than the one that failed last, where there is one. */
  chooseQueue(lastBrokerName: string | undefined): MessageQueue
  /** Whether there are other brokers to go to. */
  hasOtherBrokers(): boolean
  addressOf(queue: MessageQueue): string | undefined
  /**
   * Begins an attempt.
   *
   * @param now - On the monotonic clock.
   */
  begin(queue: MessageQueue, address: string, timeout: number, now: number, outcome: Outcome<T>): void
  /** False for a result that is to be kept, but that another broker may better. */
  isGoodEnough(result: T): boolean
  /** Told of each failure: a stale route can be refreshed. */
  onFailure(error: RocketMQError, queue: MessageQueue): void
  /** Told of the error with which the send ends, when it has begun. */
  onGivenUp(error: unknown): void
}

const MIN_BACK_OFF = 50
const MAX_BACK_OFF = 1_000

/** Java's list: the next broker, or the same one a little later, may take the message. @see DefaultMQProducer.retryResponseCodes */
const RETRY_CODES: ReadonlySet<number> = new Set([
  ResponseCode.TOPIC_NOT_EXIST,
  ResponseCode.SERVICE_NOT_AVAILABLE,
  ResponseCode.SYSTEM_ERROR,
  ResponseCode.SYSTEM_BUSY,
  ResponseCode.NO_PERMISSION,
  ResponseCode.NO_BUYER_ID,
  ResponseCode.NOT_IN_CURRENT_UNIT,
  ResponseCode.GO_AWAY,
])

/** Refusals that come before anything is stored, whatever the queue. */
const NOT_STORED_CODES: ReadonlySet<number> = new Set([ResponseCode.SYSTEM_BUSY, ResponseCode.GO_AWAY])

/**
 * Sends until a broker takes the message, the attempts are used up or the time is over.
 *
 * The first attempt costs nothing beyond itself. A further one goes to another broker where there is one, at once; to the same broker after a back-off
 * with jitter. An attempt that others could follow gets its share of the time only, so that a broker that hangs does not use up all of it.
 *
 * It fails with the last attempt's error, with `attempts` and `mayBeStored`.
 *
 * @throws what choosing the first queue throws: then `outcome` is told nothing.
 * @see DefaultMQProducerImpl.sendDefaultImpl
 */
export function sendWithRetries<T>(job: SendJob<T>, outcome: Outcome<T>): void {
  const queue = job.chooseQueue(undefined)
  const address = job.addressOf(queue)
  const first = new FirstAttempt(job, queue, address, outcome)
  if (address === undefined) first.reject(noMaster(queue))
  else job.begin(queue, address, attemptTimeout(job, job.timeout, job.maxAttempts), job.startedAt, first)
}

/** Most sends have no other one. */
class FirstAttempt<T> implements Outcome<T> {
  readonly #job: SendJob<T>
  readonly #queue: MessageQueue
  readonly #address: string | undefined
  readonly #outcome: Outcome<T>

  constructor(job: SendJob<T>, queue: MessageQueue, address: string | undefined, outcome: Outcome<T>) {
    this.#job = job
    this.#queue = queue
    this.#address = address
    this.#outcome = outcome
  }

  resolve(result: T): void {
    if (this.#job.isGoodEnough(result)) this.#outcome.resolve(result)
    else this.reject(new NotGoodEnough(result))
  }

  reject(error: unknown): void {
    new Retries(this.#job).goOn(error, this.#queue, this.#address).then(
      (result) => this.#outcome.resolve(result),
      (reason: unknown) => {
        this.#job.onGivenUp(reason)
        this.#outcome.reject(reason)
      },
    )
  }
}

/** Stored, but not as safely as it is wanted: reason for an attempt at another broker, and what is returned when that one fails. */
class NotGoodEnough<T> extends Error {
  readonly result: T

  constructor(result: T) {
    super('the message is stored less safely than its broker is configured for')
    this.result = result
  }
}

/** The attempts after a first one that failed. */
class Retries<T> {
  readonly #job: SendJob<T>
  readonly #attempts: SendAttempt[] = []
  readonly #storedOn = new Set<string>()
  #lastError: RocketMQError | undefined
  #lastBrokerName: string | undefined
  #tries = 0
  /** The last result that was not good enough. */
  #kept: NotGoodEnough<T> | undefined

  constructor(job: SendJob<T>) {
    this.#job = job
  }

  async goOn(firstError: unknown, queue: MessageQueue, address: string | undefined): Promise<T> {
    this.#record(firstError, queue, address, this.#job.startedAt)
    if (!this.#mayRetry(firstError)) return this.#giveUp(firstError)
    try {
      return await pRetry(() => this.#attempt(), {
        retries: this.#job.maxAttempts - 2,
        minTimeout: 0,
        shouldRetry: ({ error }) => this.#mayRetry(error),
      })
    } catch (error) {
      return this.#giveUp(error)
    }
  }

  /** Waits first where the same broker, or one that is busy, must be asked again. */
  async #attempt(): Promise<T> {
    const job = this.#job
    const queue = job.chooseQueue(this.#lastBrokerName)
    // It has the message: once more, and it would have it twice and no safer.
    if (this.#kept !== undefined && this.#storedOn.has(queue.brokerName)) return this.#kept.result
    if (queue.brokerName === this.#lastBrokerName || this.#isBusy()) {
      const wait = Math.min(this.#backOff(), Math.max(0, this.#remaining()))
      await sleep(wait, job.signal, `send to topic ${job.topic}`)
    }
    const startedAt = monotonicNow()
    const address = job.addressOf(queue)
    try {
      if (address === undefined) throw noMaster(queue)
      const attemptsLeft = job.maxAttempts - this.#tries
      const timeout = attemptTimeout(job, this.#remaining(), attemptsLeft)
      const result = await promised<T>((outcome) => job.begin(queue, address, timeout, startedAt, outcome))
      if (job.isGoodEnough(result)) return result
      throw new NotGoodEnough(result)
    } catch (error) {
      this.#record(error, queue, address, startedAt)
      throw error
    }
  }

  #record(error: unknown, queue: MessageQueue, address: string | undefined, startedAt: number): void {
    this.#tries++
    if (error instanceof NotGoodEnough) {
      this.#kept = error
      this.#storedOn.add(queue.brokerName)
      this.#lastBrokerName = queue.brokerName
      return
    }
    if (!(error instanceof RocketMQError)) return
    this.#lastError = error
    this.#lastBrokerName = queue.brokerName
    this.#attempts.push({
      brokerName: queue.brokerName,
      queueId: queue.queueId,
      address,
      elapsed: Math.round(monotonicNow() - startedAt),
      code: error.code,
      message: error.message,
      stored: mayBeStored(error) ? 'unknown' : 'no',
    })
    this.#job.onFailure(error, queue)
  }

  #mayRetry(error: unknown): boolean {
    const { maxAttempts, isQueueFixed, signal, isClosed } = this.#job
    if (this.#tries >= maxAttempts || signal?.aborted || isClosed || this.#remaining() <= 0) return false
    if (error instanceof NotGoodEnough) return this.#job.hasOtherBrokers()
    if (error instanceof RemotingError) return !isQueueFixed || !error.sent
    if (error instanceof BrokerError) {
      if (error.denial !== undefined) return false
      if (isQueueFixed) return NOT_STORED_CODES.has(error.responseCode)
      return RETRY_CODES.has(error.responseCode) || this.#job.retryCodes.has(error.responseCode)
    }
    return false
  }

  #giveUp(error: unknown): T {
    if (this.#kept !== undefined) return this.#kept.result
    throw this.#failure(error)
  }

  #failure(error: unknown): unknown {
    // Between two attempts the time may end or the route go; then the last attempt says why.
    const isAbort = error instanceof ClientError && error.code === 'ABORTED'
    const last = isAbort ? error : (this.#lastError ?? error)
    if (!(last instanceof RocketMQError)) return error
    return sendFailure(last, this.#job.topic, this.#attempts, monotonicNow() - this.#job.startedAt)
  }

  #remaining(): number {
    return this.#job.timeout - (monotonicNow() - this.#job.startedAt)
  }

  #isBusy(): boolean {
    return this.#lastError instanceof BrokerError && this.#lastError.responseCode === ResponseCode.SYSTEM_BUSY
  }

  #backOff(): number {
    return Math.min(MAX_BACK_OFF, MIN_BACK_OFF * 2 ** this.#tries) * (0.5 + Math.random())
  }
}

function attemptTimeout(job: SendJob<unknown>, remaining: number, attemptsLeft: number): number {
  const time = Math.max(1, remaining)
  return attemptsLeft > 1 && job.hasOtherBrokers() ? time / attemptsLeft : time
}

/** A refusal means that nothing was stored, except for SYSTEM_ERROR, which a broker also answers when storing went wrong half-way. */
function mayBeStored(error: RocketMQError): boolean {
  if (error instanceof RemotingError) return error.sent
  if (error instanceof BrokerError)
    return error.responseCode === ResponseCode.SYSTEM_ERROR && error.denial === undefined && !isTimerSwitchedOff(error)
  if (error instanceof ClientError) return error.sent === true
  // An answer that can't be read: the broker has done something.
  return true
}

function noMaster(queue: MessageQueue): RemotingError {
  return new RemotingError(
    'CONNECT_FAILED',
    `broker ${queue.brokerName} has no master in the route of topic ${queue.topic}`,
    {
      address: queue.brokerName,
    },
  )
}
