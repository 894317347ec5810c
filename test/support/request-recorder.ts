import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { FrameDecoder } from '../../src/codec/frame.js'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'

/** A TCP proxy in front of a server that keeps the requests which pass. Gone when the running test ends. */
export async function requestRecorder(target: string): Promise<{ address: string; requests: RemotingCommand[] }> {
  const requests: RemotingCommand[] = []
  const sockets = new Set<Socket>()
  const colon = target.lastIndexOf(':')
  const server = createServer((client) => {
    const onward = connect({ host: target.slice(0, colon), port: Number(target.slice(colon + 1)) })
    const decoder = new FrameDecoder()
    client.on('data', (chunk: Buffer) => decoder.push(chunk, (frame) => void requests.push(frame)))
    client.pipe(onward).pipe(client)
    for (const socket of [client, onward]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        client.destroy()
        onward.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('the recorder has no port')
  return { address: `127.0.0.1:${bound.port}`, requests }
}
