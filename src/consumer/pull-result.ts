import type { MessageError } from '../errors.js'
import type { MessageExt } from '../message/message.js'
import { ResponseCode } from '../remoting/response-code.js'

/**
 * - `FOUND`: there are messages; none may be left after filtering by tag.
 * - `NO_NEW_MSG`: the queue has nothing beyond the offset yet.
 * - `NO_MATCHED_MSG`: what is there doesn't match the expression; go on at `nextBeginOffset`.
 * - `OFFSET_ILLEGAL`: the offset lies outside the queue; `nextBeginOffset` is where it can be read on.
 */
export type PullStatus = 'FOUND' | 'NO_NEW_MSG' | 'NO_MATCHED_MSG' | 'OFFSET_ILLEGAL'

export interface PullResult {
  readonly pullStatus: PullStatus
  /** Where to pull next. Never beyond a message that was not delivered. */
  readonly nextBeginOffset: number
  readonly minOffset: number
  readonly maxOffset: number
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
