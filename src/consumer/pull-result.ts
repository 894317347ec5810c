import type { MessageError } from '../errors.js'
import type { MessageExt } from '../message/message.js'
import { ResponseCode } from '../remoting/response-code.js'

/**
 * How a pull ended.
 *
 * - `FOUND`: there are messages; none may be left after filtering by tag.
 * - `NO_NEW_MSG`: the queue has nothing beyond the offset yet.
 * - `NO_MATCHED_MSG`: what is there doesn't match the expression; go on at `nextBeginOffset`.
 * - `OFFSET_ILLEGAL`: the offset lies outside the queue; `nextBeginOffset` is where it can be read on.
 */
export type PullStatus = 'FOUND' | 'NO_NEW_MSG' | 'NO_MATCHED_MSG' | 'OFFSET_ILLEGAL'

/** What a pull brought. */
export interface PullResult {
  readonly pullStatus: PullStatus
  /** Where to pull next. Never beyond a message that was not delivered. */
  readonly nextBeginOffset: number
  /** The offset of the queue's oldest message that is still there. */
  readonly minOffset: number
  /** The offset that its next message will have. */
  readonly maxOffset: number
  /** In the order of their offsets; those that the expression does not want are left out. */
  readonly messages: MessageExt[]
  /** Why the messages end early: the next one, at `nextBeginOffset`, can't be read. */
  readonly fault?: MessageError
}

/** @see MQClientAPIImpl.processPullResponse */
export function pullStatusOf(code: number): PullStatus {
  switch (code) {
    case ResponseCode.SUCCESS:
      return 'FOUND'
    case ResponseCode.PULL_RETRY_IMMEDIATELY:
      return 'NO_MATCHED_MSG'
    case ResponseCode.PULL_OFFSET_MOVED:
      return 'OFFSET_ILLEGAL'
    default:
      return 'NO_NEW_MSG'
  }
}
