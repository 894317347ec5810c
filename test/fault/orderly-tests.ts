import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Client } from '../../src/client/client.js'
import type { MessageQueue } from '../../src/index.js'
import { getMaxOffset, queryConsumerOffset } from '../../src/remoting/commands/offset.js'
import { type Cluster, type ClusterNode, startCluster } from '../support/cluster.js'
import { queueName } from '../support/delivery-history.js'
import { uniqueName } from '../support/names.js'
import { checkOrder, type Disturbance, neverDone, type OrderEvent } from '../support/order-history.js'
import { PATIENCE } from '../support/patience.js'
import { until } from '../support/until.js'
import { startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import type { ChildGroup, ChildOptions } from './orderly-child.js'

const KEYS = Array.from({ length: 1_000 }, (_, i) => `key-${i}`)
const MEMBERS = ['x', 'y', 'z']
/** The one that is killed, when it is started again. */
const SECOND_LIFE = 'x again'
/** On each of the two brokers. */
const QUEUES = 4
const CHILD = fileURLToPath(new URL('orderly-child.ts', import.meta.url))

export interface OrderlySize {
  /** Of each topic. */
  readonly messages: number
  /** How long brokers keep the lock of a member that was killed, in milliseconds: what it had stands still so long. */
  readonly lockLife: number
  /** Of each step, in milliseconds. */
  readonly timeout: number
}

let cluster: Cluster
let client: Client
let folder: string

async function start(lockLife: number): Promise<void> {
  cluster = await startCluster({
    route: 'java',
    brokers: [{ name: 'broker-a' }, { name: 'broker-b' }],
    config: { osPageCacheBusyTimeOutMills: '10000' },
    jvmOptions: [`-Drocketmq.broker.rebalance.lockMaxLiveTime=${lockLife}`],
    log: () => {},
  })
  client = new Client({ namesrvAddr: cluster.namesrvAddr })
  await client.start()
  folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-orderly-'))
}

async function stop(): Promise<void> {
  await client?.shutdown()
  await cluster?.stop()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
}

interface Group {
  readonly mode: ChildGroup['mode']
  readonly topic: string
  readonly group: string
  readonly handlerTime: number
}

/** The clock of the members. */
function now(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

function fileOf({ mode }: Group, member: string): string {
  return path.join(folder, `${mode}-${member}.jsonl`)
}

/** A process with a member of each group; killed when the test ends. */
function startMember(name: string, groups: readonly Group[]) {
  const { namesrvAddr } = cluster
  const options: ChildOptions = {
    namesrvAddr,
    name,
    groups: groups.map((group) => ({ ...group, file: fileOf(group, name) })),
  }
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', CHILD, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  if (child.stdout === null) throw new Error('the child has no standard output')
  let counts = groups.map(() => 0)
  createInterface({ input: child.stdout }).on('line', (line) => {
    counts = JSON.parse(line) as number[]
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    return await ended
  }
  return { name, end, count: (index: number) => counts[index] ?? 0 }
}

function queuesOf(topic: string, brokers: readonly ClusterNode[] = cluster.brokers): MessageQueue[] {
  const ids = Array.from({ length: QUEUES }, (_, queueId) => queueId)
  return brokers.flatMap(({ name: brokerName }) => ids.map((queueId) => ({ topic, brokerName, queueId })))
}

/** The group's offset of each queue, as brokers have it now. */
async function committed(
  { topic, group: consumerGroup }: Group,
  queues = queuesOf(topic),
): Promise<Map<string, number>> {
  const offsets = new Map<string, number>()
  for (const queue of queues) {
    const header = { consumerGroup, topic, queueId: queue.queueId, setZeroIfNotFound: true }
    const address = cluster.broker(queue.brokerName).address
    const { header: found } = await client.remoting.invoke(address, queryConsumerOffset, header, { timeout: 10_000 })
    offsets.set(queueName(queue), found.offset)
  }
  return offsets
}

async function ends(topic: string): Promise<Map<string, number>> {
  const offsets = new Map<string, number>()
  for (const queue of queuesOf(topic)) {
    const header = { topic, queueId: queue.queueId }
    const { header: found } = await client.remoting.invoke(
      cluster.broker(queue.brokerName).address,
      getMaxOffset,
      header,
    )
    offsets.set(queueName(queue), found.offset)
  }
  return offsets
}

async function eventsOf(group: Group): Promise<OrderEvent[]> {
  const events: OrderEvent[] = []
  for (const member of [...MEMBERS, SECOND_LIFE]) {
    const text = await readFile(fileOf(group, member), 'utf8')
    for (const line of text.split('\n')) if (line !== '') events.push(JSON.parse(line) as OrderEvent)
  }
  return events
}

/** The queues whose last messages before a time were this member's. */
function ownedBy(member: string, events: readonly OrderEvent[], at: number): Set<string> {
  const owners = new Map<string, OrderEvent>()
  for (const event of events) {
    const name = queueName(event)
    if (event.at <= at && event.at > (owners.get(name)?.at ?? 0)) owners.set(name, event)
  }
  return new Set([...owners].filter(([, owner]) => owner.member === member).map(([name]) => name))
}

/** All messages of a topic, each key's in their order, in queues that the key alone chooses. */
async function sendAll(topic: string, perKey: number): Promise<void> {
  const producer = await startProducer({ namesrvAddr: cluster.namesrvAddr, ...PATIENCE })
  const queues = queuesOf(topic)
  await Promise.all(
    KEYS.map(async (key, i) => {
      const queue = queues[i % queues.length] as MessageQueue
      for (let n = 0; n < perKey; n++) {
        await producer.send({ topic, shardingKey: key, body: `${key}/${n}` }, { queue })
      }
    }),
  )
}

/** The test of order under faults, in a short and a long form. */
export function testOrderly({ messages, lockLife, timeout }: OrderlySize): void {
  beforeAll(() => start(lockLife))
  afterAll(stop)
  const perKey = messages / KEYS.length

  test(
    `of ${messages} messages of 1,000 keys, none overtakes another one of its key, and only what was not committed comes again, with handlers that fail, a member killed and started again, and a broker restarted`,
    async () => {
      const groups: readonly Group[] = [
        { mode: 'orderly', topic: uniqueName('orderly'), group: uniqueName('cg'), handlerTime: 4 },
        { mode: 'keyOrdered', topic: uniqueName('key-ordered'), group: uniqueName('cg'), handlerTime: 40 },
      ]
      for (const { topic } of groups) {
        await createTopic(cluster, topic, { queues: QUEUES })
        await sendAll(topic, perKey)
      }
      const members = MEMBERS.map((name) => startMember(name, groups))
      const done = () => Math.min(...groups.map((_, i) => members.reduce((sum, { count }) => sum + count(i), 0)))

      // Members start when the machine gets to it: the victim is to have queues of both groups.
      const isAtWork = () => members.every(({ count }) => groups.every((_, i) => count(i) > 0))
      await until(() => isAtWork() && done() > 0.15 * messages, timeout)
      const victim = members[0] as (typeof members)[number]
      await victim.end('SIGKILL')
      const killedAt = now()
      const atKill = await Promise.all(groups.map((group) => committed(group)))
      members.push(startMember(SECOND_LIFE, groups))

      await until(() => done() > 0.3 * messages, timeout)
      const broker = cluster.broker('broker-b')
      const atRestart = await Promise.all(groups.map((group) => committed(group, queuesOf(group.topic, [broker]))))
      const restartedAt = now()
      await broker.stop()
      await broker.restart()

      for (const [i, group] of groups.entries()) {
        const last = await ends(group.topic)
        const isEmpty = async () => {
          const offsets = await committed(group).catch(() => undefined)
          return offsets !== undefined && [...last].every(([name, offset]) => offsets.get(name) === offset)
        }
        await until(isEmpty, timeout)
        const events = await eventsOf(group)
        const ofVictim = ownedBy(victim.name, events, killedAt)
        expect(ofVictim.size).toBeGreaterThan(0)
        const disturbances: Disturbance[] = [
          { at: killedAt, committed: new Map([...(atKill[i] ?? [])].filter(([name]) => ofVictim.has(name))) },
          { at: restartedAt, committed: atRestart[i] ?? new Map() },
        ]
        const killed = new Map([[victim.name, killedAt]])
        const lane = group.mode === 'orderly' ? 'queue' : 'key'
        const { faults, repeated } = checkOrder(events, { lane, disturbances, killed })
        print(group, messages, events, repeated)
        expect({ faults, missing: neverDone(events, KEYS, perKey) }).toEqual({ faults: [], missing: [] })
      }
      const survivors = await Promise.all(members.slice(1).map(({ end }) => end('SIGTERM')))
      expect(survivors).toEqual(survivors.map(() => ({ code: 0, signal: null })))
    },
    timeout,
  )
}

/** What the run found: repetitions are counted, not forbidden, where there is a reason. */
function print({ mode }: Group, messages: number, events: readonly OrderEvent[], repeated: number): void {
  const failed = events.filter(({ kind }) => kind === 'failed').length
  const began = events.filter(({ kind }) => kind === 'begin').length
  const owners = MEMBERS.concat(SECOND_LIFE).map((name) => {
    const done = events.filter(({ kind, member }) => kind === 'done' && member === name).length
    return `${name} ${done}`
  })
  const counts = `${messages} messages, ${began} calls of handlers, ${failed} of them failed`
  console.log(`${mode}: ${counts}, ${repeated} messages were repeated after a fault; done by ${owners.join(', ')}`)
}
