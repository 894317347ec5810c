import { openSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { PushConsumer } from '../../src/index.js'
import { randomOf } from '../codec/mutation.js'
import type { OrderEvent } from '../support/order-history.js'

/** One group that the process is a member of. */
export interface ChildGroup {
  readonly mode: 'orderly' | 'keyOrdered'
  readonly topic: string
  readonly group: string
  /** Gets the events, one a line: they outlive a process that is killed. */
  readonly file: string
  /** What a handler takes at most, in milliseconds. */
  readonly handlerTime: number
}

export interface ChildOptions {
  readonly namesrvAddr: string
  readonly name: string
  readonly groups: readonly ChildGroup[]
}

/** Of a hundred calls of the handler, so many fail; of one message no more than two. */
const FAILING = 5
const MAX_FAILURES = 2
const SEED = 1

/**
 * A process with a member of each group, until SIGTERM asks for an orderly end. Its argument: {@link ChildOptions} as JSON.
 * Prints how many messages it has handled, group by group, several times a second.
 */
const { namesrvAddr, name, groups } = JSON.parse(process.argv[2] ?? '') as ChildOptions
const counts = groups.map(() => 0)

/** Microseconds of a clock that all processes of this machine have in common. */
function now(): number {
  return Number(process.hrtime.bigint() / 1_000n)
}

async function join({ mode, topic, group, file, handlerTime }: ChildGroup, index: number): Promise<PushConsumer> {
  const events = openSync(file, 'a')
  const consumer = new PushConsumer({
    namesrvAddr,
    consumerGroup: group,
    consumeMode: mode,
    consumeFromWhere: 'FIRST',
    suspendCurrentQueueTimeMillis: 10,
  })
  consumer.onMessage(async ([message]) => {
    if (message === undefined) return
    const { brokerName, queueId, queueOffset } = message
    const body = message.body.toString()
    const [key = '', number] = body.split('/')
    // What becomes of a message is the same in every run, whichever member has it.
    const random = randomOf(crc32(`${body}/${message.reconsumeTimes}`, SEED))
    const note = (kind: OrderEvent['kind']) => {
      const event = { kind, member: name, key, number: Number(number), brokerName, queueId, queueOffset, at: now() }
      writeSync(events, `${JSON.stringify(event)}\n`)
    }
    note('begin')
    await delay(random(handlerTime + 1))
    if (message.reconsumeTimes < MAX_FAILURES && random(100) < FAILING) {
      note('failed')
      throw new Error('at random')
    }
    note('done')
    counts[index] = (counts[index] ?? 0) + 1
  })
  await consumer.subscribe(topic)
  await consumer.start()
  return consumer
}

const consumers = await Promise.all(groups.map(join))
const timer = setInterval(() => console.log(JSON.stringify(counts)), 50)
process.once('SIGTERM', async () => {
  await Promise.all(consumers.map((consumer) => consumer.shutdown()))
  clearInterval(timer)
})
