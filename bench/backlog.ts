import type { BenchBroker } from './bench-broker.js'
import { bodyOf, TAGS } from './clients/job.js'
import { SEND_BATCH_MESSAGE } from './clients/raw-frames.js'
import { encodeBatchPart } from './raw/batch-part.js'

const BATCH = 50
const BATCHES_IN_FLIGHT = 8

/**
 * Fills the queues of a new topic evenly with messages as a service sends them: tags, one key, a unique id.
 *
 * @param messages - Rounded up so that every queue gets whole batches.
 * @returns how many there are.
 */
export async function fillTopic(
  broker: BenchBroker,
  topic: string,
  queues: number,
  messages: number,
  bodySize: number,
): Promise<number> {
  const body = bodyOf(bodySize)
  const batches = Math.ceil(messages / (BATCH * queues)) * queues
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < batches) {
      const batch = next++
      const parts = Array.from({ length: BATCH }, (_, index) => partOf(batch * BATCH + index, body))
      await broker.connection.expect(SEND_BATCH_MESSAGE, batchFields(topic, batch % queues), Buffer.concat(parts))
    }
  }
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, worker))
  await broker.expectMessages(topic, queues, batches * BATCH)
  return batches * BATCH
}

function partOf(number: number, body: Buffer): Buffer {
  const id = number.toString(16).toUpperCase().padStart(32, '7F0000015A1C')
  return encodeBatchPart(
    body,
    `UNIQ_KEY\u0001${id}\u0002TAGS\u0001${TAGS}\u0002KEYS\u0001order-${number}\u0002WAIT\u0001true\u0002`,
  )
}

function batchFields(topic: string, queueId: number): Record<string, string | number | boolean> {
  return {
    a: 'bench-backlog',
    b: topic,
    c: 'TBW102',
    d: 8,
    e: queueId,
    f: 0,
    g: Date.now(),
    h: 0,
    i: 'WAIT\u0001true\u0002',
    j: 0,
    k: false,
    m: true,
  }
}
