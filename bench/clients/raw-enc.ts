import { encodeJsonFrame, jsonHeaderAt } from '../raw/raw-frame.js'
import { RawSocket } from '../raw/raw-socket.js'
import { bodyOf } from './job.js'
import { SEND_MESSAGE_V2, sendFields } from './raw-frames.js'
import { pumpOf, runClient } from './run-job.js'

/** The raw socket with a plain encoder: a JSON header made for each send, the answer's read, one promise for each send. */
runClient({
  async send(job) {
    const body = bodyOf(job.bodySize)
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
    let next = 0
    return pumpOf(job, () => {
      const opaque = next++
      return new Promise<void>((resolve, reject) => {
        waiting.set(opaque, { resolve, reject })
        socket.write(encodeJsonFrame(SEND_MESSAGE_V2, opaque, sendFields(job, opaque % job.queues), body))
      })
    })
  },
})
