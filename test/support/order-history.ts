import { type MessagePlace, queueName } from './delivery-history.js'

/** What a handler tells of a message. Times are of one clock that all members have in common. */
export interface OrderEvent extends MessagePlace {
  readonly kind: 'begin' | 'done' | 'failed'
  readonly member: string
  readonly key: string
  /** Of the message among those of its key, from 0 on. */
  readonly number: number
  readonly at: number
}

/** Something after which what was not committed comes once more. */
export interface Disturbance {
  readonly at: number
  /** By {@link queueName}: the group's offsets of the queues concerned. */
  readonly committed: ReadonlyMap<string, number>
}

export interface OrderCheck {
  /** What must be handled one after the other: the messages of a queue, or those of a key. */
  readonly lane: 'queue' | 'key'
  readonly disturbances: readonly Disturbance[]
  /** Members that were killed, and when: what they had begun is over then. */
  readonly killed: ReadonlyMap<string, number>
}

/**
 * Looks for messages that overtook others of their key, that were handled beside one of their lane, or that came again without a reason.
 *
 * @param events - In any order.
 * @returns one sentence for each fault, and how many messages were repeated for a reason.
 */
export function checkOrder(
  events: Iterable<OrderEvent>,
  check: OrderCheck,
): { readonly faults: readonly string[]; readonly repeated: number } {
  const watch = new OrderWatch(check)
  for (const event of [...events].sort((a, b) => a.at - b.at)) watch.add(event)
  return watch
}

/** Sees events in the order of their times. */
class OrderWatch {
  readonly faults: string[] = []
  repeated = 0
  readonly #check: OrderCheck
  /** By lane. */
  readonly #running = new Map<string, OrderEvent>()
  /** By key: the last message, and whether it is done. */
  readonly #last = new Map<string, { readonly number: number; readonly isDone: boolean }>()
  /** By place: each time that the message was done. */
  readonly #done = new Map<string, OrderEvent[]>()

  constructor(check: OrderCheck) {
    this.#check = check
  }

  add(event: OrderEvent): void {
    const { kind, key, number, member } = event
    if (kind === 'begin') {
      this.#begin(event)
      return
    }
    const lane = this.#laneOf(event)
    if (this.#running.get(lane)?.member === member) this.#running.delete(lane)
    if (kind === 'failed') return
    const done = this.#done.get(placeOf(event))
    if (done === undefined) this.#done.set(placeOf(event), [event])
    else done.push(event)
    this.#last.set(key, { number, isDone: true })
  }

  #begin(event: OrderEvent): void {
    const other = this.#running.get(this.#laneOf(event))
    const isOver = other !== undefined && (this.#check.killed.get(other.member) ?? Number.POSITIVE_INFINITY) <= event.at
    if (other !== undefined && !isOver) this.#fault(event, `beside ${told(other)}`)
    this.#running.set(this.#laneOf(event), event)
    const { number, isDone } = this.#last.get(event.key) ?? { number: -1, isDone: true }
    if (event.number > number + 1) this.#fault(event, `after number ${number}`)
    if (event.number === number + 1 && !isDone) this.#fault(event, 'though the one before is not done')
    this.#last.set(event.key, { number: event.number, isDone: false })
    const done = this.#done.get(placeOf(event)) ?? []
    if (done.length === 0) return
    this.repeated++
    if (this.#reasonsFor(event) < done.length)
      this.#fault(event, `again without a reason: ${this.#historyOf(event, done)}`)
  }

  /** For whoever has to find out why. */
  #historyOf(event: OrderEvent, done: readonly OrderEvent[]): string {
    const ago = (at: number) => `${Math.round((event.at - at) / 1_000)} ms before`
    const ends = done.map(({ member, at }) => `done by ${member} ${ago(at)}`)
    const reasons = this.#check.disturbances.map(({ at, committed }) => {
      return `disturbed ${ago(at)} with the offset ${committed.get(queueName(event))}`
    })
    return [...ends, ...reasons].join(', ')
  }

  #reasonsFor(event: OrderEvent): number {
    const reasons = this.#check.disturbances.filter(({ at, committed }) => {
      const offset = committed.get(queueName(event))
      return at < event.at && offset !== undefined && offset <= event.queueOffset
    })
    return reasons.length
  }

  #laneOf(event: OrderEvent): string {
    return this.#check.lane === 'key' ? event.key : queueName(event)
  }

  #fault(event: OrderEvent, why: string): void {
    this.faults.push(`${told(event)} ${why}`)
  }
}

/** `key/number` of all that were never done. */
export function neverDone(events: Iterable<OrderEvent>, keys: readonly string[], count: number): string[] {
  const done = new Set<string>()
  for (const { kind, key, number } of events) if (kind === 'done') done.add(`${key}/${number}`)
  const missing: string[] = []
  for (const key of keys) {
    for (let number = 0; number < count; number++) if (!done.has(`${key}/${number}`)) missing.push(`${key}/${number}`)
  }
  return missing
}

function told(event: OrderEvent): string {
  return `${event.member} begins ${event.key}/${event.number} (${queueName(event)} ${event.queueOffset})`
}

function placeOf(event: OrderEvent): string {
  return `${queueName(event)} ${event.queueOffset}`
}
