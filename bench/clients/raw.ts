import { encodeBinaryFrame, jsonOpaqueAt } from '../raw/raw-frame.js'
import { RawSocket } from '../raw/raw-socket.js'
import { bodyOf, type Job } from './job.js'
import { SEND_MESSAGE_V2, sendFields } from './raw-frames.js'
import { type Pump, runClient } from './run-job.js'

/** The ceiling: frames made before, one socket, only the opaque of an answer read. */
runClient({
  async send(job) {
    const frames = preparedFrames(job)
    let onAnswer: () => void = () => undefined
    let onError: (error: Error) => void = () => undefined
    const socket = await RawSocket.open(
      job.brokerAddress,
      (data, start) => {
        const opaque = jsonOpaqueAt(data, start)
        if (opaque < 0 || opaque >= frames.length) onError(new Error(`an answer to nothing: opaque ${opaque}`))
        onAnswer()
      },
      (error) => onError(error),
    )
    const pump: Pump = (messages, maxMilliseconds) =>
      new Promise((resolve, reject) => {
        const end = performance.now() + maxMilliseconds
        let total = messages
        let started = 0
        let answered = 0
        const send = (): void => {
          const frame = frames[started % frames.length]
          started++
          if ((started & 127) === 0 && performance.now() > end) total = Math.min(total, started)
          if (frame !== undefined) socket.write(frame)
        }
        onError = reject
        onAnswer = () => {
          answered++
          if (started < total) send()
          else if (answered === started) resolve(answered)
        }
        while (started < Math.min(total, job.inFlight)) send()
      })
    return pump
  },
})

function preparedFrames(job: Job): Buffer[] {
  const body = bodyOf(job.bodySize)
  const count = Math.max(job.inFlight, job.queues)
  return Array.from({ length: count }, (_, index) =>
    encodeBinaryFrame(SEND_MESSAGE_V2, index, sendFields(job, index % job.queues), body),
  )
}
