import { defineCommand } from '../../codec/command.js'
import { boolean, int, long, optional, string } from '../../codec/header-field.js'
import { ResponseCode } from '../response-code.js'

/** All queues of the topic that the broker has. */
export const ALL_QUEUES = -1

/** Where a group begins with a queue that it has no offset of (`ConsumeInitMode`). */
export const ConsumeInitMode = { MIN: 0, MAX: 1 } as const

/**
 * Takes messages for a while: nobody else of the group gets them until their invisible time is over, or at all, once they are acknowledged. Brokers from 5.0 on know it,
 * and those with `timerWheelEnable=false` refuse it.
 *
 * With a `bornTime` of 0 the broker reckons by its own clock how long it may wait; with the client's, a difference between the clocks would be part of that time.
 */
export const popMessage = defineCommand({
  code: 200_050,
  name: 'POP_MESSAGE',
  javaHeader: 'PopMessageRequestHeader',
  javaResponseHeader: 'PopMessageResponseHeader',
  requestHeader: {
    consumerGroup: string(),
    topic: string(),
    queueId: int(),
    maxMsgNums: int(),
    invisibleTime: long(),
    pollTime: long(),
    bornTime: long(),
    initMode: int(),
    expType: optional(string()),
    exp: optional(string()),
    order: optional(boolean()),
    attemptId: optional(string()),
    brokerName: optional(string('bname')),
  },
  responseHeader: {
    popTime: long(),
    invisibleTime: long(),
    reviveQid: int(),
    restNum: long(),
    startOffsetInfo: optional(string()),
    msgOffsetInfo: optional(string()),
    orderCountInfo: optional(string()),
  },
  ok: [ResponseCode.SUCCESS, ResponseCode.PULL_NOT_FOUND, ResponseCode.POLLING_FULL, ResponseCode.POLLING_TIMEOUT],
})

/** Waits until there are messages to pop, and takes none. */
export const notification = defineCommand({
  code: 200_054,
  name: 'NOTIFICATION',
  javaHeader: 'NotificationRequestHeader',
  javaResponseHeader: 'NotificationResponseHeader',
  requestHeader: {
    consumerGroup: string(),
    topic: string(),
    queueId: int(),
    pollTime: long(),
    bornTime: long(),
    order: optional(boolean()),
    attemptId: optional(string()),
    brokerName: optional(string('bname')),
  },
  responseHeader: {
    hasMsg: boolean(),
    pollingFull: optional(boolean()),
  },
})

/** Acknowledges one message. Again is harmless; too late is answered as if it were not. */
export const ackMessage = defineCommand({
  code: 200_051,
  name: 'ACK_MESSAGE',
  javaHeader: 'AckMessageRequestHeader',
  requestHeader: {
    consumerGroup: string(),
    topic: string(),
    queueId: int(),
    extraInfo: string(),
    offset: long(),
    brokerName: optional(string('bname')),
  },
})

/** Acknowledges messages of one broker, of 5.1.3 or newer. The body is made by {@link encodeBatchAck}. */
export const batchAckMessage = defineCommand({ code: 200_151, name: 'BATCH_ACK_MESSAGE' })

/** Gives a message another invisible time, from now on. The receipt that it had is worth nothing then. */
export const changeMessageInvisibleTime = defineCommand({
  code: 200_053,
  name: 'CHANGE_MESSAGE_INVISIBLETIME',
  javaHeader: 'ChangeInvisibleTimeRequestHeader',
  javaResponseHeader: 'ChangeInvisibleTimeResponseHeader',
  requestHeader: {
    consumerGroup: string(),
    topic: string(),
    queueId: int(),
    extraInfo: string(),
    offset: long(),
    invisibleTime: long(),
    brokerName: optional(string('bname')),
  },
  responseHeader: {
    popTime: long(),
    invisibleTime: long(),
    reviveQid: int(),
  },
})

/** Messages of one pop and one queue that are acknowledged (`BatchAck`). */
export interface BatchAck {
  readonly consumerGroup: string
  /** The one that was popped, also for messages of its retry topics. */
  readonly topic: string
  /** Which kind of topic it came from. */
  readonly retry: string
  readonly startOffset: number
  readonly queueId: number
  readonly reviveQueueId: number
  readonly popTime: number
  readonly invisibleTime: number
  /** Queue offsets, none below `startOffset`. */
  readonly offsets: readonly number[]
}

export function encodeBatchAck(brokerName: string, acks: readonly BatchAck[]): Buffer {
  return Buffer.from(JSON.stringify({ brokerName, acks: acks.map(batchAckToWire) }))
}

function batchAckToWire(ack: BatchAck): object {
  const { consumerGroup: c, topic: t, retry: r, startOffset: so, queueId: q, reviveQueueId: rq } = ack
  const { popTime: pt, invisibleTime: it } = ack
  return { c, t, r, so, q, rq, pt, it, b: bitSet(ack.offsets, so) }
}

/** The offsets behind `start` as Java's `BitSet.toByteArray` gives them, in base64: bit i is in byte i / 8, from the lowest one on. */
function bitSet(offsets: readonly number[], start: number): string {
  const last = offsets.reduce((most, offset) => Math.max(most, offset), start)
  const bytes = Buffer.alloc(offsets.length === 0 ? 0 : ((last - start) >>> 3) + 1)
  for (const offset of offsets) {
    const bit = offset - start
    bytes[bit >>> 3] = (bytes[bit >>> 3] as number) | (1 << (bit & 7))
  }
  return bytes.toString('base64')
}
