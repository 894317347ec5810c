import { type BenchBroker, QUEUES } from './bench-broker.js'
import { bodyOf, TAGS } from './clients/job.js'

const SEND_BATCH_MESSAGE = 320
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
  messages: number,
  bodySize: number,
): Promise<number> {
  const body = bodyOf(bodySize)
  const batches = Math.ceil(messages / (BATCH * QUEUES)) * QUEUES
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < batches) {
      const batch = next++
      const parts = Array.from({ length: BATCH }, (_, index) => encodePart(batch * BATCH + index, body))
      await broker.connection.expect(SEND_BATCH_MESSAGE, batchFields(topic, batch % QUEUES), Buffer.concat(parts))
    }
  }
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, worker))
  await broker.expectMessages(topic, batches * BATCH)
  return batches * BATCH
}

/** One message of a batch: size, magic code, CRC, flag, body, properties; the broker fills in the rest. */
function encodePart(number: number, body: Buffer): Buffer {
  const id = number.toString(16).toUpperCase().padStart(32, '7F0000015A1C')
  const properties = Buffer.from(
    `UNIQ_KEY\u0001${id}\u0002TAGS\u0001${TAGS}\u0002KEYS\u0001order-${number}\u0002WAIT\u0001true\u0002`,
  )
  const part = Buffer.alloc(22 + body.length + properties.length)
  part.writeInt32BE(part.length, 0)
  part.writeInt32BE(body.length, 16)
  body.copy(part, 20)
  part.writeInt16BE(properties.length, 20 + body.length)
  properties.copy(part, 22 + body.length)
  return part
}

function batchFields(topic: string, queueId: number): Record<string, string | number | boolean> {
  return {
    a: 'bench-backlog',
    b: topic,
    c: 'TBW102',
    d: QUEUES,
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
