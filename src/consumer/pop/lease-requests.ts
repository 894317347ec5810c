import type { Client } from '../../client/client.js'
import {
  ackMessage,
  type BatchAck,
  batchAckMessage,
  changeMessageInvisibleTime,
  encodeBatchAck,
} from '../../remoting/commands/pop.js'
import { monotonicNow, type WaitOptions } from '../../remoting/deadline.js'
import type { Lease } from './lease.js'
import { explainPopError, hasBatchAck } from './pop-broker.js'
import type { PopRequests } from './pop-requests.js'
import { formatReceipt, realTopic } from './receipt.js'

/** Messages of one request. */
const MAX_BATCH = 1024
/** Offsets of one pop further apart than this are not worth their bits. */
const MAX_SPAN = 65_536
const SINGLE_ACKS_AT_ONCE = 32

/** What consumers tell brokers of the messages that they have popped. */
export class LeaseRequests {
  readonly #client: Client
  readonly #requests: PopRequests

  constructor(client: Client, requests: PopRequests) {
    this.#client = client
    this.#requests = requests
  }

  /**
   * Acknowledges messages of one broker, in as few requests as it allows. Those that are acknowledged already are passed over. Each that the broker took is settled,
   * also when others failed.
   *
   * @throws what the first request that failed threw.
   */
  async ack(leases: readonly Lease[], wait: WaitOptions): Promise<void> {
    for (const lease of leases) lease.acksUnderWay++
    try {
      await Promise.all(leases.map((lease) => lease.changing))
      await this.#ackOpen(
        leases.filter((lease) => !lease.isSettled),
        wait,
      )
    } finally {
      for (const lease of leases) lease.acksUnderWay--
    }
  }

  /**
   * Gives a message another invisible time, from now on.
   *
   * @throws {@link BrokerError}, {@link RemotingError}, {@link ClientError}.
   */
  async changeInvisibleTime(lease: Lease, invisibleTime: number, wait: WaitOptions): Promise<void> {
    while (lease.changing !== undefined) await lease.changing
    const changed = this.#change(lease, invisibleTime, wait)
    const done = () => {
      lease.changing = undefined
    }
    lease.changing = changed.then(done, done)
    await changed
  }

  async #ackOpen(open: readonly Lease[], wait: WaitOptions): Promise<void> {
    const [first] = open
    if (first === undefined) return
    const address = this.#requests.address(first.origin)
    const isBatch = open.length > 1 && hasBatchAck(this.#client, address)
    const batched = isBatch ? open.filter(isNearStart) : []
    const single = isBatch ? open.filter((lease) => !isNearStart(lease)) : open
    for (let i = 0; i < batched.length; i += MAX_BATCH) {
      await this.#ackBatch(address, batched.slice(i, i + MAX_BATCH), wait)
    }
    for (let i = 0; i < single.length; i += SINGLE_ACKS_AT_ONCE) {
      const some = single.slice(i, i + SINGLE_ACKS_AT_ONCE)
      const results = await Promise.allSettled(some.map((lease) => this.#ackOne(address, lease, wait)))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    }
  }

  async #ackOne(address: string, lease: Lease, { timeout, signal }: WaitOptions): Promise<void> {
    await this.#invoke(address, lease, () =>
      this.#client.remoting.invoke(address, ackMessage, this.#header(lease), { timeout, signal }),
    )
    lease.isSettled = true
  }

  async #ackBatch(address: string, leases: readonly Lease[], { timeout, signal }: WaitOptions): Promise<void> {
    const [first] = leases
    if (first === undefined) return
    const body = encodeBatchAck(first.origin.brokerName, batchAcks(leases, this.#requests.consumerGroup))
    await this.#invoke(address, first, () =>
      this.#client.remoting.invoke(address, batchAckMessage, {}, { body, timeout, signal }),
    )
    for (const lease of leases) lease.isSettled = true
  }

  async #change(lease: Lease, invisibleTime: number, { timeout, signal }: WaitOptions): Promise<void> {
    const address = this.#requests.address(lease.origin)
    const header = { ...this.#header(lease), invisibleTime }
    // From here on, not from the answer on: the broker's time begins in between.
    const startedAt = monotonicNow()
    const response = await this.#invoke(address, lease, () =>
      this.#client.remoting.invoke(address, changeMessageInvisibleTime, header, { timeout, signal }),
    )
    const { popTime, reviveQid } = response.header
    const { receipt } = lease
    const { queueOffset: ckQueueOffset } = receipt
    // Of a message in order that is acknowledged already, brokers say 0.
    const isKnown = popTime > 0
    const renewed = { ...receipt, ckQueueOffset, popTime, invisibleTime: response.header.invisibleTime, reviveQid }
    lease.renew(isKnown ? renewed : receipt, startedAt + invisibleTime)
  }

  #header({ origin, receipt }: Lease) {
    const { consumerGroup } = this.#requests
    const { queueId, queueOffset: offset, retry } = receipt
    const { brokerName } = origin
    const topic = realTopic(origin.topic, consumerGroup, retry)
    return { consumerGroup, topic, queueId, extraInfo: formatReceipt(receipt), offset, brokerName }
  }

  async #invoke<T>(address: string, { origin }: Lease, send: () => Promise<T>): Promise<T> {
    try {
      return await send()
    } catch (error) {
      throw explainPopError(error, origin.brokerName, address)
    }
  }
}

function isNearStart({ receipt }: Lease): boolean {
  const distance = receipt.queueOffset - receipt.ckQueueOffset
  return distance >= 0 && distance < MAX_SPAN
}

/** Those of one pop and one queue in one entry. @see MQClientAPIImpl.batchAckMessageAsync */
function batchAcks(leases: readonly Lease[], consumerGroup: string): BatchAck[] {
  const acks = new Map<string, BatchAck & { offsets: number[] }>()
  for (const { origin, receipt } of leases) {
    const { topic } = origin
    const { ckQueueOffset: startOffset, popTime, invisibleTime, retry, queueId, reviveQid: reviveQueueId } = receipt
    const key = `${topic} ${retry} ${queueId} ${startOffset} ${popTime} ${invisibleTime} ${reviveQueueId}`
    const known = acks.get(key)
    if (known !== undefined) known.offsets.push(receipt.queueOffset)
    else {
      const offsets = [receipt.queueOffset]
      acks.set(key, {
        consumerGroup,
        topic,
        retry,
        startOffset,
        queueId,
        reviveQueueId,
        popTime,
        invisibleTime,
        offsets,
      })
    }
  }
  return [...acks.values()]
}
