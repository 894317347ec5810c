import { ConsumedQueue } from '../../src/consumer/consumed-queue.js'
import { ProcessQueue } from '../../src/consumer/process-queue.js'
import { QueueGate } from '../../src/consumer/queue-gate.js'
import { QueueLock } from '../../src/consumer/queue-lock.js'
import type { HandlerCall } from './consumption-under-test.js'
import { keyedMessage, OrderedConsumptionUnderTest, type OrderedMode } from './ordered-consumption-under-test.js'

const ADDRESS = '192.0.2.1:10911'

/** A queue at the broker: its messages' keys by offset, who has its lock, and the group's offset. */
class BrokerQueue {
  readonly queueId: number
  readonly keys: readonly (string | undefined)[]
  owner: Member | undefined
  storedOffset = 0
  /** Offsets of messages that were consumed at least once, or are dead letters. */
  readonly done = new Set<number>()

  constructor(queueId: number, keys: readonly (string | undefined)[]) {
    this.queueId = queueId
    this.keys = keys
  }
}

/** One stretch of work on a queue, from an offset on. */
interface Session {
  readonly from: number
  readonly done: Set<number>
}

/** A queue that a member works on, or did. */
export class OpenQueue {
  readonly member: Member
  readonly at: BrokerQueue
  readonly consumed: ConsumedQueue
  readonly lock: QueueLock
  readonly gate: QueueGate
  /** By process queue. */
  readonly sessions = new WeakMap<ProcessQueue, Session>()
  isClosing = false
  hasFailedWhileClosing = false

  constructor(member: Member, at: BrokerQueue) {
    this.member = member
    this.at = at
    const queue = { topic: 'T', brokerName: 'broker-a', queueId: at.queueId }
    const { statistics } = member.host
    this.consumed = new ConsumedQueue(queue, queue, new ProcessQueue(at.storedOffset), statistics, () => undefined)
    this.lock = new QueueLock(queue, ADDRESS, performance.now())
    const self = this
    this.gate = new QueueGate(this.lock, {
      get commitOffset() {
        return self.consumed.processQueue.commitOffset
      },
      readOffset: async () => at.storedOffset,
      seek: (offset) => {
        this.consumed.processQueue = new ProcessQueue(offset)
        this.#begin()
      },
      onShut: () => undefined,
      onOpened: () => member.host.consumption.wake(this.consumed),
      report: () => undefined,
    })
    this.consumed.gate = this.gate
    this.#begin()
  }

  get session(): Session {
    return this.sessions.get(this.consumed.processQueue) as Session
  }

  #begin(): void {
    const from = this.consumed.processQueue.nextOffset
    for (let offset = 0; offset < from; offset++) {
      if (!this.at.done.has(offset)) throw new Error(`${offset} of queue ${this.at.queueId} was passed over`)
    }
    this.sessions.set(this.consumed.processQueue, { from, done: new Set() })
  }
}

/** A handler that has not ended. */
interface Running {
  readonly call: HandlerCall
  readonly open: OpenQueue
  readonly session: Session
  /** Whether its member lost the queue since. */
  isOrphan: boolean
}

class Member {
  readonly name: string
  readonly host: OrderedConsumptionUnderTest
  readonly open = new Map<BrokerQueue, OpenQueue>()

  constructor(name: string, host: OrderedConsumptionUnderTest) {
    this.name = name
    this.host = host
  }
}

/** A consumer group whose members do what a test says. It throws when a message is handed out that must not be. */
export class OrderedGroup {
  readonly members: readonly Member[]
  readonly queues: readonly BrokerQueue[]
  readonly running: Running[] = []
  readonly #mode: OrderedMode
  isDeadLetterTaken = true
  #fault: Error | undefined

  constructor(mode: OrderedMode, queues: readonly (readonly (string | undefined)[])[], batchSize: number) {
    this.#mode = mode
    this.queues = queues.map((keys, queueId) => new BrokerQueue(queueId, keys))
    this.members = ['x', 'y', 'z'].map((name) => {
      const options = { consumeMessageBatchMaxSize: batchSize, maxReconsumeTimes: 2 }
      const member = new Member(name, new OrderedConsumptionUnderTest(mode, options))
      const { host } = member
      const handle = host.handler
      host.handler = (messages, context) => {
        const result = handle(messages, context)
        try {
          this.#onCall(member, host.lastCall)
        } catch (error) {
          this.#fault ??= error as Error
        }
        return result
      }
      host.takeDeadLetter = async ({ queueId, queueOffset }) => {
        if (!this.isDeadLetterTaken) throw new Error('no broker')
        this.#onDone(this.openOf(member, queueId), queueOffset)
      }
      return member
    })
  }

  /** Throws what a handler's call has shown. */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault
  }

  openOf(member: Member, queueId: number): OpenQueue {
    return member.open.get(this.queues[queueId] as BrokerQueue) as OpenQueue
  }

  /** A member gets a queue whose lock nobody has. */
  assign(member: Member, at: BrokerQueue): void {
    if (at.owner !== undefined || member.open.has(at)) return
    at.owner = member
    member.open.set(at, new OpenQueue(member, at))
  }

  pull(member: Member, at: BrokerQueue, count: number): void {
    const open = member.open.get(at)
    if (open === undefined || open.isClosing || !open.gate.isOpen) return
    const { processQueue } = open.consumed
    const from = processQueue.nextOffset
    const messages = at.keys.slice(from, from + count).map((key, i) => keyedMessage(from + i, key))
    // The message's own queue id tells where it belongs.
    for (const message of messages) Object.assign(message, { queueId: at.queueId })
    processQueue.add(messages, from + messages.length)
    member.host.consumption.wake(open.consumed)
  }

  /** Ends a handler. @param consumed - How many of its messages it has consumed; −1: it fails. */
  end(running: Running, consumed: number): void {
    this.running.splice(this.running.indexOf(running), 1)
    const { call, open, session } = running
    const isSuccess = consumed >= 0
    if (isSuccess) {
      call.context.ackIndex = consumed - 1
      for (const { queueOffset } of call.messages.slice(0, consumed)) {
        open.at.done.add(queueOffset)
        session.done.add(queueOffset)
      }
      call.succeed()
    } else {
      call.fail(new Error('no'))
    }
    if (consumed < call.messages.length) open.hasFailedWhileClosing = open.isClosing
  }

  store(open: OpenQueue): void {
    if (open.gate.isOpen) open.at.storedOffset = open.consumed.processQueue.commitOffset
  }

  /** A rebalance takes a queue away from a member: it waits for its handlers. */
  giveUp(open: OpenQueue): void {
    if (open.isClosing) return
    open.isClosing = true
    void open.member.host.consumption.close(open.consumed, 1_000_000).then(() => {
      this.store(open)
      this.#checkHandover(open)
      open.gate.close()
      open.member.open.delete(open.at)
      if (open.at.owner === open.member) open.at.owner = undefined
    })
  }

  /** The broker takes the lock away from its member: what that one has does not count any more. */
  takeLock(open: OpenQueue): void {
    if (open.at.owner !== open.member) return
    open.at.owner = undefined
    for (const running of this.running) if (running.open === open) running.isOrphan = true
    open.lock.lose('REFUSED')
  }

  /** The connection was cut; the broker remembers the lock. */
  doubt(open: OpenQueue): void {
    open.lock.lose('DISCONNECTED')
  }

  /** Every member asks for the locks that it has or wants back. */
  renew(): void {
    for (const { open } of this.members) {
      for (const one of open.values()) {
        if (one.at.owner !== undefined && one.at.owner !== one.member) one.lock.lose('REFUSED')
        else {
          one.at.owner = one.member
          one.lock.take(ADDRESS, performance.now())
        }
      }
    }
  }

  #onCall(member: Member, call: HandlerCall): void {
    const open = this.openOf(member, call.queueId)
    const { at, session } = open
    const what = `${member.name} got ${call.offsets} of queue ${at.queueId}`
    if (at.owner !== member || !open.gate.isOpen) throw new Error(`${what} without its lock`)
    for (const running of this.running) {
      // What another member has since it lost the queue can't be helped; a member's own handlers can.
      const isOther = running.open.at !== at || (running.isOrphan && running.open.member !== member)
      if (!isOther && this.#belongTogether(at, running.call.offsets, call.offsets)) {
        throw new Error(`${what} while ${running.open.member.name} has ${running.call.offsets}`)
      }
    }
    const before = new Set(session.done)
    for (const offset of call.offsets) {
      if (before.has(offset)) throw new Error(`${what}: ${offset} was consumed before`)
      if (offset < at.storedOffset) throw new Error(`${what}: the offset ${at.storedOffset} is committed`)
      for (let earlier = session.from; earlier < offset; earlier++) {
        if (!before.has(earlier) && this.#belongTogether(at, [earlier], [offset])) {
          throw new Error(`${what}: ${earlier} comes before it`)
        }
      }
      before.add(offset)
    }
    this.running.push({ call, open, session, isOrphan: false })
  }

  /** Who has the queue next does nothing again. */
  #checkHandover({ gate, hasFailedWhileClosing, session, at, member }: OpenQueue): void {
    if (!gate.isOpen || hasFailedWhileClosing) return
    const again = [...session.done].filter((offset) => offset >= at.storedOffset)
    if (again.length > 0)
      this.#fault ??= new Error(`${member.name} gave up queue ${at.queueId} with ${again} to be repeated`)
  }

  #belongTogether({ keys }: BrokerQueue, some: readonly number[], others: readonly number[]): boolean {
    if (this.#mode === 'orderly') return true
    return some.some((one) => others.some((other) => one === other || isSame(keys[one], keys[other])))
  }

  #onDone({ at, session }: OpenQueue, offset: number): void {
    at.done.add(offset)
    session.done.add(offset)
  }
}

function isSame(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && a === b
}
