import { onTestFinished } from 'vitest'
import { type Delivery, DeliveryHistory, type Duplicate, type GroupChange } from '../support/delivery-history.js'
import { type GroupMember, keepSendingTo, type MixedGroup, settle, untilCommitted } from '../support/mixed-group.js'

const MEMBERS = 3

/** What became of messages while members were replaced. */
export interface RollingRestart {
  readonly sent: number
  readonly deliveries: number
  /** Messages that nobody got. */
  readonly lost: readonly string[]
  /** Messages that a member gave back. */
  readonly retries: readonly Delivery[]
  /** Duplicates of queues that did not move. */
  readonly unexcused: readonly Duplicate[]
  /** Duplicates of messages that a member had when it was asked to leave, or before. */
  readonly byLeaving: readonly Duplicate[]
  readonly leaves: readonly GroupChange[]
  readonly joins: readonly GroupChange[]
  /** Where another member joined as soon as one had left. */
  readonly replacements: readonly GroupChange[]
}

/**
 * Has three members consume under load, and has the oldest one leave and another one take its place, again and again: every second time as soon as it has left, else when
 * the two others have divided its queues.
 *
 * @param shutdowns - How many members leave.
 */
export async function rollingRestart(
  mixed: MixedGroup,
  join: (mixed: MixedGroup) => Promise<GroupMember>,
  shutdowns: number,
): Promise<RollingRestart> {
  const history = new DeliveryHistory()
  const members: GroupMember[] = []
  const present: GroupMember[] = []
  /** By what they are called in the history. */
  const leaves = new Map<string, string>()
  onTestFinished(async () => {
    await Promise.all(present.map((member) => member.leave()))
  })
  const joinOne = async () => {
    const member = await join(mixed)
    members.push(member)
    present.push(member)
  }
  const leaveOne = async (how: string) => {
    const member = present.shift()
    if (member === undefined) throw new Error('nobody is there who could leave')
    const what = `member ${members.indexOf(member)} ${how}`
    leaves.set(what, member.clientId)
    history.begin(what)
    await member.leave()
  }
  const settled = async () => history.settle(await settle(mixed, present))
  const joinAndSettle = async () => {
    history.begin(`member ${members.length} joins`)
    await joinOne()
    await settled()
  }

  const { sent, end } = await keepSendingTo(mixed)
  for (let i = 0; i < MEMBERS; i++) await joinAndSettle()
  for (let i = 0; i < shutdowns; i++) {
    if (i % 2 === 0) {
      await leaveOne('leaves')
      await settled()
      await joinAndSettle()
    } else {
      await leaveOne('is replaced')
      await joinOne()
      await settled()
    }
  }
  await end()
  await untilCommitted(mixed)
  await Promise.all(present.splice(0).map((member) => member.leave()))
  for (const member of members) for (const delivery of await member.deliveries()) history.add(delivery)

  const duplicates = history.duplicates()
  const changes = history.changes()
  const called = (how: string) => changes.filter(({ what }) => what.endsWith(how))
  return {
    sent: sent.length,
    deliveries: history.count,
    lost: history.missing(sent),
    retries: history.retries(),
    unexcused: duplicates.filter(({ change }) => change === undefined),
    byLeaving: duplicates.filter(({ earlier, change = '' }) => leaves.get(change) === earlier.member),
    leaves: called('leaves'),
    joins: called('joins'),
    replacements: called('is replaced'),
  }
}

/** One line, and one more for each change that repeated messages. */
export function printRestart(kind: string, restart: RollingRestart): void {
  const { sent, deliveries, lost, byLeaving, leaves, joins, replacements } = restart
  const counts = `${sent} messages, ${deliveries} deliveries, ${lost.length} lost`
  const left = `${leaves.length + replacements.length} members left: ${byLeaving.length} duplicates of what they had`
  const parts = [`leaving: ${total(leaves)}`, `joining: ${total(joins)}`, `replacing: ${total(replacements)}`]
  console.log(`rolling restart, ${kind}: ${[counts, left, ...parts].join('; ')}`)
  for (const { what, begunAt, settledAt, moved, duplicates, inFlight } of [...leaves, ...joins, ...replacements]) {
    if (duplicates === 0) continue
    const time = settledAt - begunAt
    console.log(`${what}: ${moved} queues moved in ${time} ms, ${duplicates} duplicates, ${inFlight} were in flight`)
  }
}

function total(changes: readonly GroupChange[]): string {
  const duplicates = changes.reduce((sum, change) => sum + change.duplicates, 0)
  const inFlight = changes.reduce((sum, change) => sum + change.inFlight, 0)
  return `${changes.length} times, ${duplicates} duplicates, ${inFlight} in flight on the queues that moved`
}
