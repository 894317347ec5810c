import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished } from 'vitest'
import { type DefaultProducer, SimpleConsumer } from '../../src/index.js'
import type { Cluster } from '../support/cluster.js'
import { type Delivery, DeliveryHistory, type MessagePlace } from '../support/delivery-history.js'
import { uniqueName } from '../support/names.js'
import { PATIENCE } from '../support/patience.js'
import { until } from '../support/until.js'
import { startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { startFaultChild } from './fault-child.js'
import type { PopChildOptions } from './pop-child.js'
import { type PopEvent, popEvent } from './pop-event.js'

export interface PopKillOptions {
  readonly kind: PopChildOptions['kind']
  readonly messages: number
  /** In milliseconds. */
  readonly invisibleTime: number
  /** For each step, in milliseconds. */
  readonly timeout: number
}

const MEMBERS = ['x', 'y', 'z']
const VICTIM = 'x'
const QUEUES = 8
const SENDS_AT_ONCE = 256
/** What messages take that were received together, or one that a handler gets: all of them take seconds, so that many are left when the victim is killed. */
const HANDLER_TIMES = { SimpleConsumer: 200, PushConsumer: 40 } as const
const CHILD = fileURLToPath(new URL('pop-child.ts', import.meta.url))

/**
 * Three processes pop a topic, each with a member of one group; on the way one is killed by SIGKILL. Holds that no message is lost, that none comes twice but those that the
 * killed one had, and these only when their invisible time is over. Prints the counts.
 */
export async function killPopMember(cluster: Cluster, options: PopKillOptions): Promise<void> {
  const { kind, messages, invisibleTime, timeout } = options
  const topic = uniqueName('pop')
  const group = uniqueName('cg')
  await createTopic(cluster, topic, { queues: QUEUES })
  const producer = await startProducer({ namesrvAddr: cluster.namesrvAddr, ...PATIENCE })
  const sent = await sendNumbers(producer, topic, messages)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-pop-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const fileOf = (name: string) => path.join(folder, `${name}.jsonl`)
  const child = (name: string): PopChildOptions => {
    const { namesrvAddr } = cluster
    return {
      kind,
      namesrvAddr,
      topic,
      group,
      name,
      file: fileOf(name),
      invisibleTime,
      handlerTime: HANDLER_TIMES[kind],
    }
  }
  const startedAt = Date.now()
  const members = MEMBERS.map((name) => startFaultChild<number>(CHILD, child(name), -1))
  const done = () => members.reduce((sum, member) => sum + member.progress(), 0)
  // The last one would get little if the others began before it.
  await until(() => members.every((member) => member.progress() === 0), timeout)
  for (const member of members) member.begin()

  await until(() => members.every((member) => member.progress() > 0) && done() >= messages / 4, timeout)
  await members[MEMBERS.indexOf(VICTIM)]?.end('SIGKILL')

  const allEvents = async () => (await Promise.all(MEMBERS.map((name) => eventsOf(fileOf(name))))).flat()
  await until(() => done() >= 0.9 * messages, timeout)
  const settledCount = async () => numbersOf(await allEvents(), ['settling', 'acked']).size
  await expect.poll(settledCount, { interval: 500, timeout }).toBe(messages)
  const elapsed = Date.now() - startedAt
  const survivors = await Promise.all(members.slice(1).map((member) => member.end('SIGTERM')))
  expect(survivors).toEqual(survivors.map(() => ({ code: 0, signal: null })))
  const events = [...(await allEvents()), ...(await rest(cluster, topic, group, 2 * invisibleTime))]
  check(sent, events, options, elapsed)
}

async function sendNumbers(producer: DefaultProducer, topic: string, count: number): Promise<MessagePlace[]> {
  const sent: MessagePlace[] = []
  let next = 0
  const sender = async () => {
    while (next < count) {
      const number = next++
      const { messageQueue, queueOffset } = await producer.send({ topic, body: String(number) })
      sent[number] = { ...messageQueue, queueOffset }
    }
  }
  await Promise.all(Array.from({ length: SENDS_AT_ONCE }, sender))
  return sent
}

async function eventsOf(file: string): Promise<PopEvent[]> {
  const lines = (await readFile(file, 'utf8')).split('\n')
  // Behind the last line feed is what a member was killed over.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as PopEvent)
}

/** What another member of the group gets, until nothing comes for a while: the last that the killed one had, whose time may not have been over. */
async function rest(cluster: Cluster, topic: string, group: string, timeout: number): Promise<PopEvent[]> {
  const { namesrvAddr } = cluster
  await using consumer = new SimpleConsumer({ namesrvAddr, consumerGroup: group, consumeFromWhere: 'FIRST' })
  await consumer.subscribe(topic)
  await consumer.start()
  const events: PopEvent[] = []
  for (;;) {
    const messages = await consumer.receive({ timeout })
    if (messages.length === 0) return events
    events.push(...messages.map((message) => popEvent('received', 'rest', message)))
    await consumer.ack(messages)
  }
}

function check(
  sent: readonly MessagePlace[],
  events: readonly PopEvent[],
  { kind, messages, invisibleTime }: PopKillOptions,
  elapsed: number,
): void {
  const history = new DeliveryHistory()
  const received = new Map<Delivery, PopEvent>()
  for (const event of events) {
    if (event.kind !== 'received') continue
    const { member, reconsumeTimes, at } = event
    // What comes again has another place: it is told by where it was sent to.
    const delivery = { ...(sent[event.number] as MessagePlace), member, reconsumeTimes, at, endedAt: at }
    history.add(delivery)
    received.set(delivery, event)
  }
  const victims = events.filter(({ member }) => member === VICTIM)
  const acked = numbersOf(victims, ['acked'])
  const inHand = [...numbersOf(victims, ['received'])].filter((number) => !acked.has(number)).length
  const duplicates = history.duplicates()
  const missing = history.missing(sent)
  const counts = [...MEMBERS, 'rest'].map(
    (name) => `${name} ${[...received.keys()].filter(({ member }) => member === name).length}`,
  )
  console.log(
    `POP, ${kind}: ${messages} messages in ${elapsed} ms, received by ${counts.join(', ')}; ${VICTIM} was killed, ${
      kind === 'SimpleConsumer' ? `with ${inHand} that it had not seen acknowledged; ` : ''
    }${history.retries().length} came again, ${duplicates.length} of them twice to a handler; ${missing.length} are missing`,
  )
  expect(missing).toEqual([])
  expect(history.retries().length).toBeGreaterThan(0)
  const unexcused = duplicates.filter(({ earlier, later }) => {
    const [first, again] = [received.get(earlier), received.get(later)]
    if (first === undefined || again === undefined) return true
    const isVictims = first.member === VICTIM && again.member !== VICTIM && !acked.has(first.number)
    return !isVictims || again.popTime < first.popTime + invisibleTime
  })
  expect(unexcused).toEqual([])
}

function numbersOf(events: readonly PopEvent[], kinds: readonly PopEvent['kind'][]): Set<number> {
  const numbers = new Set<number>()
  for (const { kind, number } of events) if (kinds.includes(kind)) numbers.add(number)
  return numbers
}
