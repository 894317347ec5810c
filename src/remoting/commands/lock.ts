import { defineCommand } from '../../codec/command.js'
import { parseFastjson } from '../../codec/fastjson.js'
import { JsonChecks } from '../../codec/json-value.js'
import type { MessageQueue } from '../../message/message.js'

/**
 * Asks a broker for the locks of some of its queues, or renews them: it gives each to one member of a group at a time, and takes it back when 60 seconds have passed
 * without a renewal. The body is made by {@link encodeLockBatch}, the answer's is read by {@link readLockedQueues}. That it refused all of them is a success, too.
 */
export const lockBatchMq = defineCommand({ code: 41, name: 'LOCK_BATCH_MQ' })

/** Gives locks back. Those that another member has are passed over. The body is made by {@link encodeLockBatch}. */
export const unlockBatchMq = defineCommand({ code: 42, name: 'UNLOCK_BATCH_MQ' })

/** `LockBatchRequestBody`, and `UnlockBatchRequestBody`, which is the same. */
export interface LockBatchBody {
  readonly consumerGroup: string
  /** Of the member, as in its heartbeats. */
  readonly clientId: string
  readonly mqSet: readonly MessageQueue[]
}

export function encodeLockBatch({ consumerGroup, clientId, mqSet }: LockBatchBody): Buffer {
  const queues = mqSet.map(({ topic, brokerName, queueId }) => ({ topic, brokerName, queueId }))
  return Buffer.from(JSON.stringify({ consumerGroup, clientId, onlyThisBroker: false, mqSet: queues }))
}

/**
 * The queues whose locks were given, or renewed: none, when they were all refused.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`.
 */
export function readLockedQueues(body: Buffer): MessageQueue[] {
  const checks = new JsonChecks('a lock answer')
  const root = checks.object(parseFastjson(body.toString('utf8')), 'the body')
  return checks.list(root.lockOKMQSet, 'lockOKMQSet').map((queue, i) => checks.messageQueue(queue, `lockOKMQSet[${i}]`))
}
