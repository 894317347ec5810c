import { encodeBatchPart } from '../raw/batch-part.js'
import { encodeJsonFrame, jsonHeaderAt, ONEWAY } from '../raw/raw-frame.js'
import { RawSocket } from '../raw/raw-socket.js'
import type { Job } from './job.js'
import { SEND_BATCH_MESSAGE, SEND_MESSAGE_V2, sendFields } from './raw-frames.js'
import { runClient } from './run-job.js'
import type { Sender } from './send-loop.js'

/** The raw socket with a plain encoder: a JSON header made for each request, the answer's read, one promise for each request. */
runClient({
  async sender(job): Promise<Sender> {
    const waiting = new Map<number, { resolve(): void; reject(error: Error): void }>()
    const socket = await RawSocket.open(
      job.brokerAddress,
      (data, start) => {
        const { opaque, code, remark } = jsonHeaderAt(data, start)
        const send = waiting.get(opaque)
        waiting.delete(opaque)
        if (code === 0) send?.resolve()
        else send?.reject(new Error(`refused with code ${code}: ${remark}`))
      },
      (error) => {
        for (const send of waiting.values()) send.reject(error)
      },
    )
    const code = job.kind === 'batch' ? SEND_BATCH_MESSAGE : SEND_MESSAGE_V2
    let next = 0
    if (job.kind === 'oneway') {
      const send = (body: Buffer): Promise<void> => {
        const opaque = next++
        socket.write(encodeJsonFrame(code, opaque, sendFields(job, opaque % job.queues), body, ONEWAY))
        return socket.flushed
      }
      return { send }
    }
    return {
      send(message) {
        const opaque = next++
        const body = job.kind === 'batch' ? batchOf(job, message) : message
        return new Promise<void>((resolve, reject) => {
          waiting.set(opaque, { resolve, reject })
          socket.write(encodeJsonFrame(code, opaque, sendFields(job, opaque % job.queues), body))
        })
      },
    }
  },
})

function batchOf(job: Job, body: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let index = 0; index < job.batch; index++)
    parts.push(encodeBatchPart(body, 'TAGS\u0001TagA\u0002WAIT\u0001true\u0002'))
  return Buffer.concat(parts)
}
