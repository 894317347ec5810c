import pRetry from 'p-retry'
import { BrokerError, ClientError, RemotingError, RocketMQError, type SendAttempt } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { monotonicNow, sleep } from '../remoting/deadline.js'
import { ResponseCode } from '../remoting/response-code.js'
import { sendFailure } from './send-failure.js'

/** What one attempt did, so that the next can do better. */
export interface AttemptContext {
  /** The broker that failed last, to be avoided. */
  readonly lastBrokerName: string | undefined
  /** For this attempt alone, in milliseconds. */
  readonly timeout: number
}

/** One send as the loop sees it. */
export interface SendJob<T> {
  readonly topic: string
  /** For all attempts together, in milliseconds. */
  readonly timeout: number
  readonly maxAttempts: number
  /** The caller chose the queue: no other may be taken, so only what was surely not stored is tried again. */
  readonly isQueueFixed: boolean
  readonly signal: AbortSignal | undefined
  /** The queue for this attempt, and whether another broker could be asked if it fails. */
  choose(lastBrokerName: string | undefined): Promise<{ queue: MessageQueue; hasOthers: boolean }>
  addressOf(queue: MessageQueue): string | undefined
  send(queue: MessageQueue, address: string, timeout: number): Promise<T>
  /** Told of each failure: a stale route can be refreshed. */
  onFailure(error: RocketMQError, queue: MessageQueue): void
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
 * @throws the last attempt's error, with `attempts` and `mayBeStored`.
 * @see DefaultMQProducerImpl.sendDefaultImpl
 */
export async function sendWithRetries<T>(job: SendJob<T>): Promise<T> {
  const loop = new SendLoop(job)
  try {
    return await loop.attempt()
  } catch (error) {
    if (!loop.mayRetry(error)) throw loop.failure(error)
  }
  try {
    return await pRetry(() => loop.nextAttempt(), {
      retries: job.maxAttempts - 2,
      minTimeout: 0,
      shouldRetry: ({ error }) => loop.mayRetry(error),
    })
  } catch (error) {
    throw loop.failure(error)
  }
}

class SendLoop<T> {
  readonly #job: SendJob<T>
  readonly #startedAt = monotonicNow()
  readonly #attempts: SendAttempt[] = []
  #lastError: RocketMQError | undefined
  #lastBrokerName: string | undefined

  constructor(job: SendJob<T>) {
    this.#job = job
  }

  /** Waits first where the same broker, or one that is busy, must be asked again. */
  async nextAttempt(): Promise<T> {
    const { queue, hasOthers } = await this.#job.choose(this.#lastBrokerName)
    if (queue.brokerName === this.#lastBrokerName || this.#isBusy()) {
      await sleep(
        Math.min(this.#backOff(), Math.max(0, this.#remaining())),
        this.#job.signal,
        `send to topic ${this.#job.topic}`,
      )
    }
    return this.#attemptAt(queue, hasOthers)
  }

  async attempt(): Promise<T> {
    const { queue, hasOthers } = await this.#job.choose(undefined)
    return this.#attemptAt(queue, hasOthers)
  }

  mayRetry(error: unknown): boolean {
    const { maxAttempts, isQueueFixed, signal } = this.#job
    if (this.#attempts.length >= maxAttempts || signal?.aborted || this.#remaining() <= 0) return false
    if (error instanceof RemotingError) return !isQueueFixed || !error.sent
    if (error instanceof BrokerError) {
      return isQueueFixed ? NOT_STORED_CODES.has(error.responseCode) : RETRY_CODES.has(error.responseCode)
    }
    return false
  }

  failure(error: unknown): unknown {
    if (this.#attempts.length === 0) return error
    // The loop ended between two attempts: the time was over, or the route was gone. The last attempt says why.
    const isAbort = error instanceof ClientError && error.code === 'ABORTED'
    const last = !isAbort && this.#lastError !== undefined ? this.#lastError : error
    if (!(last instanceof RocketMQError)) return error
    return sendFailure(last, this.#job.topic, this.#attempts, monotonicNow() - this.#startedAt)
  }

  async #attemptAt(queue: MessageQueue, hasOthers: boolean): Promise<T> {
    const startedAt = monotonicNow()
    const address = this.#job.addressOf(queue)
    try {
      if (address === undefined) throw noMaster(queue)
      return await this.#job.send(queue, address, this.#attemptTimeout(hasOthers))
    } catch (error) {
      if (!(error instanceof RocketMQError)) throw error
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
      throw error
    }
  }

  #attemptTimeout(hasOthers: boolean): number {
    const remaining = Math.max(1, this.#remaining())
    const attemptsLeft = this.#job.maxAttempts - this.#attempts.length
    return hasOthers && attemptsLeft > 1 ? remaining / attemptsLeft : remaining
  }

  #remaining(): number {
    return this.#job.timeout - (monotonicNow() - this.#startedAt)
  }

  #isBusy(): boolean {
    return this.#lastError instanceof BrokerError && this.#lastError.responseCode === ResponseCode.SYSTEM_BUSY
  }

  #backOff(): number {
    return Math.min(MAX_BACK_OFF, MIN_BACK_OFF * 2 ** this.#attempts.length) * (0.5 + Math.random())
  }
}

/** A refusal means that nothing was stored, except for SYSTEM_ERROR, which a broker also answers when storing went wrong half-way. */
function mayBeStored(error: RocketMQError): boolean {
  if (error instanceof RemotingError) return error.sent
  if (error instanceof BrokerError) return error.responseCode === ResponseCode.SYSTEM_ERROR
  return error.code === 'ABORTED' || error.code === 'HEADER_MALFORMED'
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
