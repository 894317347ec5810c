import { ClientError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { monotonicNow, sleep, withDeadline } from '../remoting/deadline.js'
import { inParallel } from '../route/in-parallel.js'

export interface HandoverOptions {
  /** The group's offset of a queue as its store has it now. May reject. */
  readonly readOffset: (queue: MessageQueue, timeout: number) => Promise<number>
  /** Whether the queues are to be divided anew: those that nobody can tell of yet are left for that. */
  readonly isRequested: () => boolean
  readonly signal: AbortSignal
}

/** How long a queue that may come from another member is left alone at least, so that the other can let go of it and store its offset, in milliseconds. */
const MIN_TIME = 500
/** At most: then it is taken, whoever has it. In milliseconds. */
const MAX_TIME = 2_500
/** How long an offset that moved has to stand still, in milliseconds. */
const STILL_TIME = 250
const READ_AT_ONCE = 32

/**
 * Waits until queues may be taken over from other members.
 *
 * Nobody says when the others have let go of them: they divide the queues when they hear of a new member, and some put that off for a second. But as long as one of them
 * consumes a queue under load, its offset moves. So this waits until the offsets stand still.
 *
 * @returns the queues that may be taken.
 * @throws {@link ClientError} `ABORTED`.
 */
export async function handover(
  queues: readonly MessageQueue[],
  options: HandoverOptions,
): Promise<readonly MessageQueue[]> {
  const startedAt = monotonicNow()
  const look = (of: readonly MessageQueue[], rest: number) => offsetsOf(of, rest, options)
  const [first] = await Promise.all([look(queues, MIN_TIME), sleep(MIN_TIME, options.signal, 'rebalance')])
  let known = first
  while (known.size > 0) {
    const rest = startedAt + MAX_TIME - monotonicNow()
    if (rest <= 0) return queues
    const moved = new Map<MessageQueue, number>()
    for (const [queue, offset] of await look([...known.keys()], Math.min(STILL_TIME, rest))) {
      if (offset !== known.get(queue)) moved.set(queue, offset)
    }
    known = moved
    if (known.size > 0 && options.isRequested()) return queues.filter((queue) => !moved.has(queue))
    if (known.size > 0) await sleep(STILL_TIME, options.signal, 'rebalance')
  }
  return queues
}

/** Of those queues whose offsets can be read within the time. */
async function offsetsOf(
  queues: readonly MessageQueue[],
  timeout: number,
  { readOffset, signal }: HandoverOptions,
): Promise<Map<MessageQueue, number>> {
  const offsets = new Map<MessageQueue, number>()
  const late = () => new ClientError('NOT_STARTED', 'rebalance: an offset is not known in time')
  const end = monotonicNow() + timeout
  await inParallel(queues, READ_AT_ONCE, async (queue) => {
    const rest = end - monotonicNow()
    if (rest <= 0) return
    try {
      offsets.set(queue, await withDeadline(readOffset(queue, rest), rest, signal, 'rebalance', late))
    } catch {
      // Opening the queue reads it again, and tells of what is wrong.
    }
  })
  return offsets
}
