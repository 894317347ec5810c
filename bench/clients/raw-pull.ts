import { encodeBinaryFrame, headerLengthAt, jsonHeaderAt } from '../raw/raw-frame.js'
import type { SlimMessage } from '../raw/raw-message.js'
import { RawSocket } from '../raw/raw-socket.js'
import { PULL_MESSAGE, pullFields } from './raw-frames.js'
import { runClient } from './run-job.js'

/**
 * Pulls over a raw socket, one pull under way for each queue, whose number is the opaque.
 *
 * @param read - Decodes one message.
 */
export function runRawPull(read: (data: Buffer, start: number) => SlimMessage): void {
  runClient({
    async consume(job, receiver) {
      const next = new Array<number>(job.queues).fill(0)
      const pull = (queueId: number): void => {
        const fields = pullFields(job, queueId, next[queueId] ?? 0)
        socket.write(encodeBinaryFrame(PULL_MESSAGE, queueId, fields, undefined))
      }
      const socket: RawSocket = await RawSocket.open(
        job.brokerAddress,
        (data, start, end) => {
          const { code, opaque: queueId } = jsonHeaderAt(data, start)
          // Any other answer means that the queue has nothing more.
          if (code !== 0) return
          let at = start + 8 + headerLengthAt(data, start)
          while (at < end) {
            const message = read(data, at)
            next[queueId] = message.queueOffset + 1
            receiver.receive(message)
            at += data.readInt32BE(at)
          }
          if (receiver.isOpen) pull(queueId)
        },
        (error) => {
          throw error
        },
      )
      for (let queueId = 0; queueId < job.queues; queueId++) pull(queueId)
    },
  })
}
