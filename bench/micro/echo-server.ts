import { createServer } from 'node:net'
import { encodeBinaryFrame, FrameSplitter, type RawFields } from '../raw/raw-frame.js'

/** Answers every frame as a broker answers a send, and asked for a route tells that it is the only broker, in a process of its own; prints its port. */
const CODE_AT = 8
const OPAQUE_AT = 13
const FLAG_AT = 17
const IS_ONEWAY = 2
const GET_ROUTEINFO_BY_TOPIC = 105
const QUEUES = 8
const sent = answerOf({ msgId: '7F00000100002A9F00000000000F4240', queueId: 3, queueOffset: 123_456 }, undefined)

const server = createServer({ noDelay: true }, (socket) => {
  const route = answerOf({}, Buffer.from(JSON.stringify(routeTo(socket.localPort ?? 0))))
  let answers: Buffer[] = []
  const splitter = new FrameSplitter((data, start) => {
    if (data.readInt32BE(start + FLAG_AT) === IS_ONEWAY) return
    const answer = Buffer.from(data.readInt16BE(start + CODE_AT) === GET_ROUTEINFO_BY_TOPIC ? route : sent)
    data.copy(answer, OPAQUE_AT, start + OPAQUE_AT, start + OPAQUE_AT + 4)
    answers.push(answer)
  })
  socket.on('data', (chunk: Buffer) => {
    splitter.push(chunk)
    if (answers.length > 0) socket.write(Buffer.concat(answers))
    answers = []
  })
  socket.on('error', () => socket.destroy())
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(typeof address === 'object' && address !== null ? address.port : 0)
})
// Ends with the one who started it.
process.stdin.on('end', () => process.exit(0)).resume()

function answerOf(fields: RawFields, body: Buffer | undefined): Buffer {
  const answer = encodeBinaryFrame(0, 0, fields, body)
  answer.writeInt32BE(1, FLAG_AT)
  return answer
}

function routeTo(port: number): object {
  const brokerName = 'echo'
  return {
    brokerDatas: [{ brokerName, cluster: 'echo', brokerAddrs: { 0: `127.0.0.1:${port}` } }],
    queueDatas: [{ brokerName, perm: 6, readQueueNums: QUEUES, writeQueueNums: QUEUES, topicSysFlag: 0 }],
  }
}
