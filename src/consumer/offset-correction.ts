import type { Logger } from '../logger.js'
import type { MessageQueue } from '../message/message.js'
import { safeEmit } from '../remoting/safe-emit.js'
import { OFFSET_RESET, type OffsetCorrection } from './pull-loop-host.js'

/** Has a consumer tell that a queue goes on elsewhere. @param queue - As the user knows it. */
export function tellOfCorrection(
  consumer: object,
  logger: Logger,
  queue: MessageQueue,
  correction: OffsetCorrection,
): void {
  logger.warn('the offset of a queue was corrected', { queue, ...correction })
  safeEmit(consumer, logger, 'offsetCorrected', { queue, ...correction })
  const { from, to, reason } = correction
  if (reason === OFFSET_RESET) safeEmit(consumer, logger, 'offsetsReset', { queue, from, to })
}
