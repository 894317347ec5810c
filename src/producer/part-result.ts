import type { OutgoingMessage } from './outgoing-message.js'
import type { SendResult } from './send-result.js'

/**
 * What the result of a batch says of each of its messages. The transaction id, which is the batch's own, is left out.
 *
 * A topic of the type BatchCQ stores the batch as one message: the parts then share its offset id, and have queue offsets of their own all the same.
 *
 * @see ProduceAccumulator.MessageAccumulation.splitSendResults
 */
export function splitResult(result: SendResult, parts: readonly OutgoingMessage[]): SendResult[] {
  const { sendStatus, offsetMsgId, messageQueue, queueOffset, regionId } = result
  const offsetIds = offsetMsgId.split(',')
  const hasOwnIds = offsetIds.length === parts.length
  return parts.map(({ uniqKey }, index) => {
    const part: { -readonly [K in keyof SendResult]: SendResult[K] } = {
      sendStatus,
      msgId: uniqKey,
      offsetMsgId: hasOwnIds ? (offsetIds[index] as string) : offsetMsgId,
      messageQueue,
      queueOffset: queueOffset + index,
    }
    if (regionId !== undefined) part.regionId = regionId
    return part
  })
}
