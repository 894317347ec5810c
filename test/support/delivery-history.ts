/** A queue of the one topic that a history is about. */
export interface QueuePlace {
  readonly brokerName: string
  readonly queueId: number
}

export interface MessagePlace extends QueuePlace {
  readonly queueOffset: number
}

/** A message that a member's handler got. */
export interface Delivery extends MessagePlace {
  readonly member: string
  readonly reconsumeTimes: number
  /** Milliseconds since the epoch. */
  readonly at: number
  /** When the handler was done with it. */
  readonly endedAt: number
}

/** A time in which queues went from one member to another. */
export interface GroupChange {
  /** For example `java-1 joins`. */
  readonly what: string
  readonly begunAt: number
  readonly settledAt: number
  /** How many queues have another owner than before. */
  readonly moved: number
  /** How many deliveries were repeated because of it. */
  readonly duplicates: number
  /** How many messages of the queues that moved were with handlers of their former owners when these got the last one of the queue. */
  readonly inFlight: number
}

/** A message that came once more. */
export interface Duplicate {
  readonly earlier: Delivery
  readonly later: Delivery
  /** Between the two deliveries the queue went to another member in this change; undefined: nothing excuses the second one. */
  readonly change: string | undefined
}

interface Change {
  readonly what: string
  readonly begunAt: number
  settledAt: number
  /** By queue: who had it before. */
  readonly moved: Map<string, string | undefined>
}

interface Repetition {
  readonly earlier: Delivery
  readonly later: Delivery
  readonly change: Change | undefined
}

/** Which member has each queue, by {@link queueName}. */
export type Owners = ReadonlyMap<string, string>

export function queueName({ brokerName, queueId }: QueuePlace): string {
  return `${brokerName} ${queueId}`
}

/**
 * Puts together what members say that they own.
 *
 * @returns the owners, and one sentence for each queue that several members have, that nobody has or that doesn't exist.
 */
export function unionOfOwned(
  owned: ReadonlyMap<string, readonly QueuePlace[]>,
  all: readonly QueuePlace[],
): { readonly owners: Owners; readonly faults: readonly string[] } {
  const owners = new Map<string, string>()
  const faults: string[] = []
  const known = new Set(all.map(queueName))
  for (const [member, queues] of owned) {
    for (const queue of queues) {
      const name = queueName(queue)
      const other = owners.get(name)
      if (other !== undefined) faults.push(`${name} is owned by ${other} and by ${member}`)
      if (!known.has(name)) faults.push(`${member} owns ${name}, which is none of the queues`)
      owners.set(name, member)
    }
  }
  for (const name of known) if (!owners.has(name)) faults.push(`${name} is owned by nobody`)
  return { owners, faults }
}

/**
 * All deliveries of one topic to the members of one group, and the changes of the group meanwhile: which messages are missing, which came twice, and why.
 *
 * A message is told by its place, so that one that a producer stored twice counts as two.
 */
export class DeliveryHistory {
  readonly #deliveries = new Map<string, Delivery[]>()
  readonly #changes: Change[] = []
  #owners: Owners = new Map()
  #count = 0

  /** In any order: their times count. */
  add(delivery: Delivery): void {
    this.#count++
    const name = placeName(delivery)
    const ofPlace = this.#deliveries.get(name)
    if (ofPlace === undefined) this.#deliveries.set(name, [delivery])
    else ofPlace.push(delivery)
  }

  /** From now on, until it is settled, queues may move. */
  begin(what: string, at: number = Date.now()): void {
    if (this.#open !== undefined) throw new Error(`${what}: ${this.#open.what} is not settled yet`)
    this.#changes.push({ what, begunAt: at, settledAt: Number.POSITIVE_INFINITY, moved: new Map() })
  }

  /** Ends a change: these are the owners from now on. */
  settle(owners: Owners, at: number = Date.now()): void {
    const change = this.#open
    if (change === undefined) throw new Error('nothing has begun that could be settled')
    change.settledAt = at
    for (const name of new Set([...this.#owners.keys(), ...owners.keys()])) {
      const before = this.#owners.get(name)
      if (before !== owners.get(name)) change.moved.set(name, before)
    }
    this.#owners = owners
  }

  get #open(): Change | undefined {
    const last = this.#changes.at(-1)
    return last?.settledAt === Number.POSITIVE_INFINITY ? last : undefined
  }

  /** Deliveries, repeated ones included. */
  get count(): number {
    return this.#count
  }

  /** Those of the messages sent that nobody got, by place. */
  missing(sent: Iterable<MessagePlace>): string[] {
    const missing: string[] = []
    for (const place of sent) if (!this.#deliveries.has(placeName(place))) missing.push(placeName(place))
    return missing
  }

  /** Deliveries of messages that were given back and came again by the retry topic, with places of their own. */
  retries(): Delivery[] {
    return [...this.#deliveries.values()].flat().filter(({ reconsumeTimes }) => reconsumeTimes > 0)
  }

  duplicates(): Duplicate[] {
    return this.#repetitions().map(({ earlier, later, change }) => ({ earlier, later, change: change?.what }))
  }

  /** The changes so far, with what they cost. */
  changes(): GroupChange[] {
    const costs = new Map<Change | undefined, number>()
    for (const { change } of this.#repetitions()) costs.set(change, (costs.get(change) ?? 0) + 1)
    const byOwner = this.#byOwner()
    return this.#changes.map((change) => {
      const { what, begunAt, settledAt, moved } = change
      const inFlight = [...moved].map(([name, owner]) =>
        inFlightAtEnd(byOwner.get(`${name} ${owner}`) ?? [], settledAt),
      )
      return {
        what,
        begunAt,
        settledAt,
        moved: moved.size,
        duplicates: costs.get(change) ?? 0,
        inFlight: inFlight.reduce((sum, count) => sum + count, 0),
      }
    })
  }

  /** By queue and member. */
  #byOwner(): Map<string, Delivery[]> {
    const byOwner = new Map<string, Delivery[]>()
    for (const delivery of [...this.#deliveries.values()].flat()) {
      const key = `${queueName(delivery)} ${delivery.member}`
      const others = byOwner.get(key)
      if (others === undefined) byOwner.set(key, [delivery])
      else others.push(delivery)
    }
    return byOwner
  }

  #repetitions(): Repetition[] {
    const repetitions: Repetition[] = []
    for (const ofPlace of this.#deliveries.values()) {
      if (ofPlace.length === 1) continue
      const inOrder = ofPlace.toSorted((a, b) => a.at - b.at)
      for (const [i, later] of inOrder.entries()) {
        const earlier = inOrder[i - 1]
        if (earlier !== undefined) repetitions.push({ earlier, later, change: this.#changeBetween(earlier, later) })
      }
    }
    return repetitions
  }

  #changeBetween(earlier: Delivery, later: Delivery): Change | undefined {
    const name = queueName(later)
    const possible = this.#changes.filter(
      ({ moved, begunAt, settledAt }) => moved.has(name) && begunAt <= later.at && earlier.at <= settledAt,
    )
    // Rather the one that took the queue from the member that had the message first.
    return possible.find(({ moved }) => moved.get(name) === earlier.member) ?? possible[0]
  }
}

function placeName(place: MessagePlace): string {
  return `${queueName(place)} ${place.queueOffset}`
}

/** How many of a member's messages of a queue were with its handlers when it got the last one until then. */
function inFlightAtEnd(deliveries: readonly Delivery[], until: number): number {
  const before = deliveries.filter(({ at }) => at <= until)
  const last = before.reduce((latest, { at }) => Math.max(latest, at), Number.NEGATIVE_INFINITY)
  return before.filter(({ endedAt }) => endedAt >= last).length
}
