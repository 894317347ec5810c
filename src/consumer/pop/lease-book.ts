import type { Namespace } from '../../client/namespace.js'
import { StoredMessage } from '../../codec/stored-message.js'
import { ClientError, shown } from '../../errors.js'
import type { MessageExt } from '../../message/message.js'
import { MessageProperty } from '../../message/message-properties.js'
import { monotonicNow, type WaitOptions } from '../../remoting/deadline.js'
import { Lease } from './lease.js'
import type { LeaseRenewal } from './lease-renewal.js'
import type { LeaseRequests } from './lease-requests.js'
import type { PoppedMessage } from './pop-requests.js'
import { formatReceipt, parseReceipt } from './receipt.js'

const IDS_SHOWN = 5

/** Which lease belongs to which message, for those who come back with messages. */
export class LeaseBook {
  readonly #namespace: Namespace
  readonly #requests: LeaseRequests
  readonly #renewal: LeaseRenewal
  readonly #leases = new WeakMap<MessageExt, Lease>()

  constructor(namespace: Namespace, requests: LeaseRequests, renewal: LeaseRenewal) {
    this.#namespace = namespace
    this.#requests = requests
    this.#renewal = renewal
  }

  add({ message, lease }: PoppedMessage): void {
    this.#leases.set(message, lease)
  }

  /** {@link LeaseBook.add} for a message that has another receipt since it was popped: it says so. */
  addRenewed(popped: PoppedMessage): void {
    this.add(popped)
    popped.message.addProperties({ [MessageProperty.POP_CK]: formatReceipt(popped.lease.receipt) })
  }

  /**
   * Acknowledges messages of any brokers.
   *
   * @throws what the first request that failed threw; {@link ClientError} `RECEIPT_EXPIRED` for those whose time is over, when all others are acknowledged.
   */
  async ack(messages: readonly MessageExt[], wait: WaitOptions): Promise<void> {
    const now = monotonicNow()
    const brokers = new Map<string, Lease[]>()
    const expired: MessageExt[] = []
    for (const message of messages) {
      const lease = this.#leaseOf(message)
      if (lease.isSettled) continue
      if (lease.isExpired(now)) expired.push(message)
      else {
        const { brokerName } = lease.origin
        const leases = brokers.get(brokerName)
        if (leases === undefined) brokers.set(brokerName, [lease])
        else leases.push(lease)
      }
    }
    const requests = [...brokers.values()].map((leases) => this.#requests.ack(leases, wait))
    for (const result of await Promise.allSettled(requests)) if (result.status === 'rejected') throw result.reason
    if (expired.length > 0) throw expiredError(expired)
  }

  /**
   * Gives a message another invisible time. It is not prolonged any more.
   *
   * @throws {@link ClientError} `RECEIPT_EXPIRED`; {@link BrokerError}, {@link RemotingError}.
   */
  async change(message: MessageExt, invisibleTime: number, wait: WaitOptions): Promise<void> {
    const lease = this.#leaseOf(message)
    if (lease.isSettled) {
      throw new ClientError('RECEIPT_EXPIRED', `message ${message.msgId} is acknowledged: its receipt is worth nothing`)
    }
    if (lease.isExpired()) throw expiredError([message])
    this.#renewal.delete(lease)
    await this.#requests.changeInvisibleTime(lease, invisibleTime, wait)
    if (message instanceof StoredMessage) this.addRenewed({ message, lease })
  }

  /** A message that another consumer of the group received says itself by what it is acknowledged; for how long, by the broker's clock. */
  #leaseOf(message: MessageExt): Lease {
    const known = typeof message === 'object' && message !== null ? this.#leases.get(message) : undefined
    if (known !== undefined) return known
    const text = (message as Partial<MessageExt> | null)?.properties?.[MessageProperty.POP_CK]
    if (text === undefined) {
      throw new ClientError(
        'INVALID_ARGUMENT',
        `${shown(message)} is no message that receive() gave: it has no receipt`,
      )
    }
    const receipt = parseReceipt(text)
    const { topic } = message
    const receivedAt = monotonicNow() - (Date.now() - receipt.popTime)
    const lease = new Lease({ topic: this.#namespace.wrap(topic), brokerName: receipt.brokerName }, receipt, receivedAt)
    this.#leases.set(message, lease)
    return lease
  }
}

function expiredError(messages: readonly MessageExt[]): ClientError {
  const ids = messages.slice(0, IDS_SHOWN).map(({ msgId }) => msgId)
  const rest = messages.length > IDS_SHOWN ? ` and ${messages.length - IDS_SHOWN} more` : ''
  const what = `the invisible time of ${ids.join(', ')}${rest} is over: the group gets them again; ask for a longer one (invisibleDuration), or prolong it in time (changeInvisibleDuration, renewInvisibleDuration)`
  return new ClientError('RECEIPT_EXPIRED', what)
}
