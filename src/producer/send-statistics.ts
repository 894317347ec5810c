import { LatencyHistogram, type LatencySnapshot } from '../client/latency-histogram.js'
import { BrokerError, RemotingError } from '../errors.js'
import type { SendObserver } from './send-observer.js'

/**
 * What a producer has done since it was made; a plain object that JSON can hold. A batch counts as one send. One-way sends are not counted: no one confirms
 * them. A send that `retryAnotherBrokerWhenNotStoreOK` makes again counts for each broker that confirmed it.
 */
export interface ProducerStatistics {
  /** Sends that a broker confirmed. */
  readonly sent: number
  /** Sends that rejected, after all their attempts. */
  readonly failed: number
  /** Attempts beyond the first of their send. */
  readonly retried: number
  /** How many of the failed sends rejected with which `code`. */
  readonly failures: Readonly<Record<string, number>>
  /** The brokers that were sent to, by name. */
  readonly byBroker: readonly BrokerSendStatistics[]
}

export interface BrokerSendStatistics {
  readonly brokerName: string
  /** Sends that this broker confirmed. */
  readonly sent: number
  /** Attempts that failed here; another one, here or elsewhere, may have succeeded. */
  readonly failed: number
  /** Of the attempts that this broker confirmed, in milliseconds, from the request to the answer. */
  readonly latency: LatencySnapshot
}

interface BrokerCounts {
  failed: number
  readonly latency: LatencyHistogram
}

/** Counts what a producer sends. */
export class SendStatistics {
  readonly #brokers = new Map<string, BrokerCounts>()
  readonly #failures = new Map<string, number>()
  #sent = 0
  #failed = 0
  #retried = 0

  /**
   * A broker confirmed a send.
   *
   * @param latency - Of the attempt that succeeded, in milliseconds.
   */
  recordSuccess(brokerName: string, latency: number): void {
    this.#sent++
    this.#broker(brokerName).latency.record(latency)
  }

  /** An attempt failed at a broker; what becomes of the send is not known yet. */
  recordFailedAttempt(brokerName: string): void {
    this.#broker(brokerName).failed++
  }

  /** A further attempt of a send begins. */
  recordRetry(): void {
    this.#retried++
  }

  /**
   * A send rejects.
   *
   * @param code - The error's `code`.
   */
  recordFailure(code: string): void {
    this.#failed++
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1)
  }

  snapshot(): ProducerStatistics {
    const byBroker = [...this.#brokers].map(([brokerName, { failed, latency }]) => {
      const snapshot = latency.snapshot()
      return { brokerName, sent: snapshot.count, failed, latency: snapshot }
    })
    byBroker.sort((a, b) => (a.brokerName < b.brokerName ? -1 : 1))
    return {
      sent: this.#sent,
      failed: this.#failed,
      retried: this.#retried,
      failures: Object.fromEntries(this.#failures),
      byBroker,
    }
  }

  #broker(brokerName: string): BrokerCounts {
    let counts = this.#brokers.get(brokerName)
    if (counts === undefined) {
      counts = { failed: 0, latency: new LatencyHistogram() }
      this.#brokers.set(brokerName, counts)
    }
    return counts
  }
}

/** Tells statistics of each attempt whose outcome a broker decided. */
export function statisticsObserver(statistics: SendStatistics): SendObserver {
  return {
    after({ queue, communicationMode, number }, result, error, elapsed) {
      if (communicationMode === 'ONEWAY') return
      if (number > 1) statistics.recordRetry()
      if (result !== undefined) statistics.recordSuccess(queue.brokerName, elapsed)
      else if (error instanceof BrokerError || error instanceof RemotingError)
        statistics.recordFailedAttempt(queue.brokerName)
    },
  }
}
