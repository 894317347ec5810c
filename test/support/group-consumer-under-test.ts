import { onTestFinished } from 'vitest'
import { MEMBER_OPTION_NAMES, memberOptionsOf } from '../../src/client/member.js'
import { resolveOptions } from '../../src/client/option-rules.js'
import type { AssignedQueue, MessageRequestMode, QueueState } from '../../src/consumer/assigned-queue.js'
import type { ConsumerEvents } from '../../src/consumer/consumer-events.js'
import { GroupConsumer, type GroupConsumerTraits } from '../../src/consumer/group-consumer.js'
import { type GroupConsumerOptions, groupConsumerOptionRules } from '../../src/consumer/group-consumer-options.js'
import type { MessageQueue } from '../../src/message/message.js'
import { messageQueueKey } from '../../src/message/message-queue.js'
import type { ScriptedCluster } from './scripted-cluster.js'

/** What stands in for the consumption of a queue: it tells what was done with it. */
export class FakeQueue implements AssignedQueue {
  readonly queue: MessageQueue
  readonly mode: MessageRequestMode
  isStarted = false
  isClosed = false
  closeTimeout: number | undefined
  /** Closing waits for it. */
  closing: Promise<void> = Promise.resolve()
  msgIds: string[] = []
  stateParts: Partial<QueueState> = {}

  constructor(queue: MessageQueue, mode: MessageRequestMode = 'PULL') {
    this.queue = queue
    this.mode = mode
  }

  start(): void {
    this.isStarted = true
  }

  async close(timeout: number): Promise<void> {
    this.closeTimeout = timeout
    await this.closing
    this.isClosed = true
  }

  unfinished(): readonly string[] {
    return this.msgIds
  }

  state(): QueueState {
    return {
      queue: this.queue,
      commitOffset: 0,
      nextOffset: 0,
      maxOffset: undefined,
      cachedCount: 0,
      cachedBytes: 0,
      cachedMinOffset: undefined,
      cachedMaxOffset: undefined,
      inFlight: 0,
      oldestInFlight: undefined,
      isLocked: false,
      lastLockTimestamp: 0,
      lastPullTimestamp: 0,
      lastAnswerTimestamp: 0,
      lastConsumeTimestamp: 0,
      oldestStoreTimestamp: undefined,
      ...this.stateParts,
    }
  }
}

/** A member of a group that consumes nothing: its queues are fakes. */
export class GroupConsumerUnderTest extends GroupConsumer<ConsumerEvents> {
  /** All that were ever opened, in their order. */
  readonly opened: FakeQueue[] = []
  /** Instead of a new fake. */
  onOpen: ((queue: MessageQueue, mode: MessageRequestMode) => Promise<FakeQueue | undefined>) | undefined

  constructor(options: GroupConsumerOptions, traits: Partial<GroupConsumerTraits> = {}) {
    const given = memberOptionsOf(options, 'GroupConsumerUnderTest')
    const resolved = resolveOptions(groupConsumerOptionRules, given, 'GroupConsumerUnderTest', MEMBER_OPTION_NAMES)
    const defaults = { consumeType: 'CONSUME_PASSIVELY', isOrderly: false, hasRetryTopic: false } as const
    super(options, resolved, { ...defaults, ...traits })
  }

  /** `broker:id` of each queue that it has now. */
  get has(): string[] {
    return this.assignment().map(({ brokerName, queueId }) => `${brokerName}:${queueId}`)
  }

  /** Those that are open now, by wire name. */
  openOf(queue: MessageQueue): FakeQueue {
    const found = this.opened.findLast((one) => messageQueueKey(one.queue) === messageQueueKey(queue) && !one.isClosed)
    if (found === undefined) throw new Error(`${messageQueueKey(queue)} is not open`)
    return found
  }

  fix(queues: readonly MessageQueue[] | undefined): Promise<void> {
    return this.setFixedQueues(queues)
  }

  reopenQueue(queue: MessageQueue): Promise<void> {
    return this.reopen(this.openOf(queue))
  }

  beginsAt(queue: MessageQueue): Promise<number> {
    return this.initialOffset(queue)
  }

  get offsetStore(): unknown {
    return this.offsets
  }

  protected override async openQueue(
    queue: MessageQueue,
    mode: MessageRequestMode,
  ): Promise<AssignedQueue | undefined> {
    const opened = this.onOpen === undefined ? new FakeQueue(queue, mode) : await this.onOpen(queue, mode)
    if (opened !== undefined) this.opened.push(opened)
    return opened
  }
}

/** A member that is shut down when the running test ends. */
export function groupConsumer(
  cluster: Pick<ScriptedCluster, 'namesrvAddr'>,
  options: Partial<GroupConsumerOptions> = {},
  traits: Partial<GroupConsumerTraits> = {},
): GroupConsumerUnderTest {
  const { client } = options
  const connection = client === undefined ? { namesrvAddr: cluster.namesrvAddr } : {}
  const consumer = new GroupConsumerUnderTest({ consumerGroup: 'g', ...connection, ...options }, traits)
  onTestFinished(() => consumer.shutdown({ timeout: 0 }))
  return consumer
}
