import { monitorEventLoopDelay } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import type { DefaultProducer } from '../../src/index.js'
import { uniqueName } from '../support/names.js'
import { readTopic } from '../support/read-topic.js'
import { until } from '../support/until.js'
import { SendHistory, startConsumer, startProducer } from './clients-under-test.js'
import { createTopic } from './create-topic.js'
import { kill } from './nodes-under-test.js'
import { twoMasters } from './two-masters.js'

const RATE = 5_000
const SEND_TIMEOUT = 6_000
const ATTEMPTS = 3
/** Each has its share of the time. */
const ATTEMPT_TIMEOUT = SEND_TIMEOUT / ATTEMPTS
/** Half a second's worth: a machine that can't keep the rate must not pile up sends without end. */
const MAX_UNSETTLED = RATE / 2
/** What an attempt that is late may take longer, beside the longest turn of the event loop. */
const GRACE = 500

const masters = twoMasters()

interface TimedSend {
  readonly startedAt: number
  readonly elapsed: number
  readonly brokerName: string | undefined
}

/** Starts sends at a fixed rate, as long as not too many have yet to settle. */
class OpenLoop {
  readonly history = new SendHistory()
  readonly settled: TimedSend[] = []
  readonly #producer: DefaultProducer
  readonly #topic: string
  readonly #sends: Promise<void>[] = []
  readonly #startedAt = performance.now()
  readonly #timer = setInterval(() => this.#catchUp(), 5)

  constructor(producer: DefaultProducer, topic: string) {
    this.#producer = producer
    this.#topic = topic
  }

  get started(): number {
    return this.#sends.length
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#sends)
  }

  #catchUp(): void {
    const due = Math.floor(((performance.now() - this.#startedAt) / 1_000) * RATE)
    while (this.#sends.length < due && this.#sends.length - this.settled.length < MAX_UNSETTLED) {
      this.#sends.push(this.#send(`load ${this.#sends.length}`))
    }
  }

  async #send(body: string): Promise<void> {
    const startedAt = performance.now()
    await this.history.note(body, this.#producer.send({ topic: this.#topic, body }))
    const brokerName = this.history.acknowledged.get(body)?.messageQueue.brokerName
    this.settled.push({ startedAt, elapsed: performance.now() - startedAt, brokerName })
  }
}

test('with one of two masters killed under 5,000 sends a second, nothing acknowledged is lost, sends go on at the other, and each settles in its time', async () => {
  const { cluster, first: victim, second: other } = masters
  const topic = uniqueName('load')
  await createTopic(cluster, topic)
  const { namesrvAddr } = cluster
  const producer = await startProducer({ namesrvAddr, sendTimeout: SEND_TIMEOUT })
  await producer.send({ topic, body: 'first' })

  const turns = monitorEventLoopDelay()
  turns.enable()
  const load = new OpenLoop(producer, topic)
  await until(() => load.started >= 2 * RATE, 60_000)
  await kill(victim)
  const killedAt = performance.now()
  const isAfter = (send: TimedSend) => send.startedAt > killedAt && send.brokerName === other.name
  await until(() => load.settled.some(isAfter), 60_000)
  const startedBy = load.started
  await until(() => load.started >= startedBy + 2 * RATE, 60_000)
  await load.stop()
  turns.disable()

  const grace = GRACE + turns.max / 1e6
  const resumed = load.settled.find(isAfter)
  expect((resumed?.startedAt ?? 0) + (resumed?.elapsed ?? 0) - killedAt).toBeLessThan(ATTEMPT_TIMEOUT + grace)
  expect(Math.max(...load.settled.map((send) => send.elapsed))).toBeLessThan(SEND_TIMEOUT + ATTEMPTS * grace)
  expect([...load.history.rejected.values()]).toEqual([])
  expect(load.settled.filter((send) => send.startedAt < killedAt && send.brokerName === victim.name)).not.toEqual([])

  await victim.restart()
  const consumer = await startConsumer({ namesrvAddr })
  const stored = await readTopic(consumer, topic, load.history.acknowledged.size + 1, 60_000)
  expect(load.history.compare(stored)).toEqual({ lost: [], falselyDenied: [] })
})
