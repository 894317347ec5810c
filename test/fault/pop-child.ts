import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { type MessageExt, PushConsumer, SimpleConsumer } from '../../src/index.js'
import { type PopEvent, popEvent } from './pop-event.js'

/** What the process is. */
export interface PopChildOptions {
  readonly kind: 'SimpleConsumer' | 'PushConsumer'
  readonly namesrvAddr: string
  readonly topic: string
  readonly group: string
  readonly name: string
  /** Gets the events, one a line: they outlive a process that is killed. */
  readonly file: string
  /** In milliseconds. */
  readonly invisibleTime: number
  /** What messages that were received together, or a message that a handler gets, take at most; in milliseconds. */
  readonly handlerTime: number
}

/** Receivers of a simple consumer. */
const RECEIVERS = 4

/** A process with a member of the group, from SIGUSR2 on until SIGTERM asks for an orderly end. Its argument: {@link PopChildOptions} as JSON. Prints how many messages it has done with. */
const options = JSON.parse(process.argv[2] ?? '') as PopChildOptions
const { namesrvAddr, topic, group, invisibleTime } = options
const events = openSync(options.file, 'a')
let count = 0

function note(kind: PopEvent['kind'], messages: readonly MessageExt[]): void {
  const lines = messages.map((message) => `${JSON.stringify(popEvent(kind, options.name, message))}\n`)
  writeSync(events, lines.join(''))
}

async function handle(messages: readonly MessageExt[]): Promise<void> {
  note('received', messages)
  await delay(Math.random() * options.handlerTime)
  note('settling', messages)
}

async function receiveAll(consumer: SimpleConsumer): Promise<void> {
  while (!isEnding) {
    const messages = await consumer.receive({ timeout: 500 })
    if (messages.length === 0) continue
    await handle(messages)
    await consumer.ack(messages)
    note('acked', messages)
    count += messages.length
  }
}

async function runSimple(): Promise<() => Promise<void>> {
  const consumer = new SimpleConsumer({
    namesrvAddr,
    consumerGroup: group,
    consumeFromWhere: 'FIRST',
    invisibleDuration: invisibleTime,
  })
  await consumer.subscribe(topic)
  await consumer.start()
  const receivers = Promise.all(Array.from({ length: RECEIVERS }, () => receiveAll(consumer)))
  return async () => {
    await receivers
    await consumer.shutdown()
  }
}

async function runPush(): Promise<() => Promise<void>> {
  const consumer = new PushConsumer({
    namesrvAddr,
    consumerGroup: group,
    consumeFromWhere: 'FIRST',
    popMode: true,
    popInvisibleTime: invisibleTime,
  })
  consumer.onMessage(async (messages) => {
    await handle(messages)
    count += messages.length
  })
  await consumer.subscribe(topic)
  await consumer.start()
  return () => consumer.shutdown()
}

let isEnding = false
const begun = once(process, 'SIGUSR2')
const timer = setInterval(() => console.log(count), 50)
await begun
const end = await (options.kind === 'SimpleConsumer' ? runSimple() : runPush())
process.once('SIGTERM', async () => {
  isEnding = true
  await end()
  clearInterval(timer)
})
