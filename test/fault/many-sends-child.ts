import { DefaultProducer } from '../../src/index.js'

/**
 * A process that starts 200,000 sends at once and waits for all of them.
 *
 * Arguments: NameServers, topic. Prints one line of JSON: {@link Outcome}.
 */
export interface Outcome {
  readonly resolved: number
  readonly errors: readonly string[]
  /** The most that the heap was found to use, in bytes. */
  readonly peakHeap: number
}

const SENDS = 200_000
const [namesrvAddr = '', topic = ''] = process.argv.slice(2)

let peakHeap = 0
const watch = setInterval(() => {
  peakHeap = Math.max(peakHeap, process.memoryUsage().heapUsed)
}, 20)

// What counts here is memory, and that none is lost: a machine may be as slow as it likes.
const producer = new DefaultProducer({
  producerGroup: 'child',
  namesrvAddr,
  maxInFlightBytes: 16 * 1024 * 1024,
  sendTimeout: 30_000,
  requestTimeout: 30_000,
})
await producer.start()
const body = Buffer.alloc(1024, 'x')
const results = await Promise.allSettled(Array.from({ length: SENDS }, () => producer.send({ topic, body })))
clearInterval(watch)
peakHeap = Math.max(peakHeap, process.memoryUsage().heapUsed)
await producer.shutdown()

const errors = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []))
const outcome: Outcome = { resolved: SENDS - errors.length, errors: errors.slice(0, 3), peakHeap }
console.log(JSON.stringify(outcome))
