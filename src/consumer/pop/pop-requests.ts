import type { Client } from '../../client/client.js'
import type { SubscriptionData } from '../../client/subscription-data.js'
import type { StoredMessage } from '../../codec/stored-message.js'
import { ClientError, type MessageError } from '../../errors.js'
import { ALL_QUEUES, type ConsumeInitMode, notification, popMessage } from '../../remoting/commands/pop.js'
import { monotonicNow } from '../../remoting/deadline.js'
import { ResponseCode } from '../../remoting/response-code.js'
import { Lease, type PopOrigin } from './lease.js'
import { receivedMessages } from './pop-answer.js'
import { checkPopVersion, explainPopError } from './pop-broker.js'
import { readPopped } from './pop-messages.js'

export interface PopRequest extends PopOrigin {
  /** −1: all queues that the broker has. */
  readonly queueId: number
  readonly subscription: SubscriptionData
  readonly maxMsgNums: number
  /** In milliseconds. */
  readonly invisibleTime: number
  /** How long the broker may wait when it finds nothing, in milliseconds. */
  readonly pollTime: number
  readonly initMode: (typeof ConsumeInitMode)[keyof typeof ConsumeInitMode]
  /** Whether a queue of which somebody has messages is passed over, so that its messages keep their order. */
  readonly isOrder: boolean
  /** Of pops in order: who asks again with the same one gets the same messages, where an answer was lost. */
  readonly attemptId: string | undefined
  /** For the whole request, in milliseconds. */
  readonly timeout: number
  readonly maxBodySize: number
}

export interface PoppedMessage {
  readonly message: StoredMessage
  readonly lease: Lease
}

export interface PopResult {
  /** `POLLING_FULL`: too many wait at that broker already. */
  readonly status: 'FOUND' | 'NO_NEW_MSG' | 'POLLING_FULL'
  readonly messages: PoppedMessage[]
  /** Messages that can't be read. Nobody has their leases: they come again when those are over. */
  readonly faults: readonly MessageError[]
  /** How many more there are, as the broker reckons. */
  readonly restNum: number
}

/** Of `MQVersion`. */
const V5_3_0 = 473
const V5_4_0 = 493

export interface NotificationRequest extends PopOrigin {
  readonly pollTime: number
  readonly isOrder: boolean
  /** As of a {@link PopRequest}: queues that only that attempt holds up are looked at, too. */
  readonly attemptId: string | undefined
  readonly timeout: number
}

/** What consumers ask brokers for when they pop. Topics and the group are as servers know them. */
export class PopRequests {
  readonly consumerGroup: string
  readonly #client: Client

  constructor(client: Client, wireGroup: string) {
    this.#client = client
    this.consumerGroup = wireGroup
  }

  /**
   * Takes messages for a while.
   *
   * @throws {@link ClientError} `UNSUPPORTED_BY_BROKER`, `NO_BROKER`; {@link BrokerError}; {@link RemotingError}; {@link MessageError} when nothing of the answer can be used.
   * @see PullAPIWrapper.popAsync
   */
  async pop(request: PopRequest): Promise<PopResult> {
    const { topic, brokerName, subscription, isOrder, attemptId, timeout, maxBodySize } = request
    const address = await this.#readyBroker(request)
    const header = {
      consumerGroup: this.consumerGroup,
      topic,
      queueId: request.queueId,
      maxMsgNums: request.maxMsgNums,
      invisibleTime: request.invisibleTime,
      pollTime: request.pollTime,
      bornTime: this.#bornTime(address),
      initMode: request.initMode,
      expType: subscription.expressionType,
      exp: subscription.subString,
      order: isOrder,
      attemptId,
      brokerName,
    }
    const response = await this.#client.remoting
      .invoke(address, popMessage, header, { timeout })
      .catch((error: unknown) => {
        throw explainPopError(error, brokerName, address)
      })
    const receivedAt = monotonicNow()
    const { restNum } = response.header
    if (response.code !== ResponseCode.SUCCESS) {
      const status = response.code === ResponseCode.POLLING_FULL ? 'POLLING_FULL' : 'NO_NEW_MSG'
      return { status, messages: [], faults: [], restNum }
    }
    const { messages, faults } = await readPopped(response.body, { brokerName, maxBodySize })
    const target = { topic: this.#client.namespace.unwrap(topic), brokerName }
    const origin = { topic, brokerName }
    const received = receivedMessages(messages, response.header, target)
    const popped = received.map(({ message, receipt }) => {
      return { message, lease: new Lease(origin, receipt, receivedAt) }
    })
    return { status: 'FOUND', messages: popped, faults, restNum }
  }

  /**
   * Waits until there is something to pop, or the time is over. Takes nothing.
   *
   * @throws as {@link PopRequests.pop}.
   */
  async hasMessages(request: NotificationRequest): Promise<boolean> {
    const { topic, brokerName, pollTime, isOrder, attemptId, timeout } = request
    const address = await this.#readyBroker(request)
    const header = {
      consumerGroup: this.consumerGroup,
      topic,
      queueId: ALL_QUEUES,
      pollTime,
      bornTime: this.#bornTime(address),
      order: isOrder,
      attemptId,
      brokerName,
    }
    const response = await this.#client.remoting
      .invoke(address, notification, header, { timeout })
      .catch((error: unknown) => {
        throw explainPopError(error, brokerName, address)
      })
    return response.header.hasMsg
  }

  /**
   * 0: the broker takes the time by its own clock, so that ours need not be right. Brokers 5.3 with access control look at it before that, and take every such request for one that has waited
   * too long.
   */
  #bornTime(address: string): number {
    const { options, remoting } = this.#client
    if (options.credentials === undefined) return 0
    const version = remoting.serverVersion(address)
    return version >= V5_3_0 && version < V5_4_0 ? Date.now() : 0
  }

  /** The master of a broker. @throws {@link ClientError} `NO_BROKER`. */
  address({ topic, brokerName }: PopOrigin): string {
    const address = this.#client.masterAddress(brokerName)
    if (address !== undefined) return address
    this.#client.routes.refreshSoon(topic)
    const what = `The broker[${brokerName}] not exist: no route names a master of it now (topic ${topic})`
    throw new ClientError('NO_BROKER', what, { retryable: true })
  }

  /** The address of a broker that knows the group. */
  async #readyBroker(origin: PopOrigin): Promise<string> {
    const address = this.address(origin)
    const { heartbeat } = this.#client
    try {
      await heartbeat.ensure(address)
    } finally {
      // One that is too old may not even read the heartbeat: that it is too old says more.
      checkPopVersion(this.#client, address, origin.brokerName)
    }
    return address
  }
}
