/** A message to send: a plain object. */
export interface Message {
  topic: string
  /** Never empty. A string is sent as UTF-8. Up to `maxMessageSize` of the producer, 4 MiB by default. */
  body: Uint8Array | string
  /** One tag, by which brokers filter for consumers. */
  tags?: string
  /** Index keys, by which the message can be looked up. A key holds no space. */
  keys?: string | readonly string[]
  /** Messages of one sharding key go to one queue, in the order in which they are sent. */
  shardingKey?: string
  /**
   * Deliver after the time of a delay level: 1 to 18 stand for 1s 5s 10s 30s 1m 2m … 10m 20m 30m 1h 2h, unless the broker's `messageDelayLevel` says otherwise. Brokers
   * take their highest level for what is above it, and no client can know which that is; above 999 it is refused, being a time by mistake. 0 is no delay.
   */
  delayLevel?: number
  /**
   * Deliver so many milliseconds after the broker has it. For brokers from 5.0 on, which take up to `timerMaxDelaySec` (3 days) and deliver with the precision of
   * `timerPrecisionMs` (1 second), never early. Only one of `delayLevel`, `delayMs`, `deliverAt` and `priority` can be given.
   */
  delayMs?: number
  /** Deliver at this time (ms since the epoch, or a Date), by the broker's clock; at once when it is past. As far ahead and as exactly as `delayMs`. */
  deliverAt?: number | Date
  /**
   * 0 and up; higher ones come first, unless the broker's `priorityOrderAsc` is off. For topics of the type PRIORITY and brokers from 5.4 on, which store the message in
   * the queue of this number, or in the last one, whatever queue was asked for, and hand the queues out in that order to POP consumers. Where the topic is of
   * another type, the event `warning` tells so. Not together with `shardingKey`.
   */
  priority?: number
  /** `false`: don't wait for the flush or the replica where the broker is configured for it. Default `true`. */
  waitStoreMsgOk?: boolean
  /** A 32-bit number of your own that travels with the message. Default 0. */
  flag?: number
  /** Your own properties. RocketMQ's own names are refused. */
  properties?: Record<string, string>
}

/** One queue of a topic on one broker. */
export interface MessageQueue {
  readonly topic: string
  readonly brokerName: string
  readonly queueId: number
}

/** A message as it was stored by a broker, with its body decompressed. */
export interface MessageExt {
  readonly topic: string
  readonly body: Buffer
  readonly tags: string | undefined
  readonly keys: readonly string[]
  /** All properties, RocketMQ's own included; a null-prototype object. */
  readonly properties: Readonly<Record<string, string>>
  /** The id that the producer gave (`UNIQ_KEY`); the offset id where there is none. */
  readonly msgId: string
  /** Broker address and commit-log offset, in hex. */
  readonly offsetMsgId: string
  readonly brokerName: string
  readonly queueId: number
  readonly queueOffset: number
  /** Byte position in the broker's commit log. */
  readonly commitLogOffset: number
  /** Size of the stored message in bytes. */
  readonly storeSize: number
  /** CRC-32 of the body as stored, compressed if it was, low 31 bits. */
  readonly bodyCRC: number
  readonly sysFlag: number
  readonly flag: number
  /** When the producer made it, in ms since the epoch by the producer's clock. */
  readonly bornTimestamp: number
  /** `host:port` of the producer as the broker saw it; IPv6 in brackets. */
  readonly bornHost: string
  /** When the broker stored it, in ms since the epoch by the broker's clock. */
  readonly storeTimestamp: number
  readonly storeHost: string
  /** How many times a consumer group has sent it back. */
  readonly reconsumeTimes: number
  readonly preparedTransactionOffset: number
}
