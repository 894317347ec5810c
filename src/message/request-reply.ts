import type { MessageExt } from './message.js'

/** The value of `MSG_TYPE` that makes a message a reply (`MixAll.REPLY_MESSAGE_FLAG`). */
export const REPLY_MESSAGE_TYPE = 'reply'

/** The topic that takes a cluster's replies; every broker of the cluster has it. */
export function replyTopicOf(clusterName: string): string {
  return `${clusterName}_REPLY_TOPIC`
}

/** A reply that no request waits for any more: it came too late, or a second time. */
export interface LateReply {
  /** Of the request that it answers; empty when the reply names none. */
  readonly correlationId: string
  readonly message: MessageExt
}
