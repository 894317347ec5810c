import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'

/** Listens with the shortest backlog and then stops its thread for good, so that nothing is ever accepted. */
const WORKER = `
const { createServer } = require('node:net')
const { parentPort } = require('node:worker_threads')
const server = createServer()
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  parentPort.postMessage(server.address().port)
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
})
`

/**
 * The address of a server whose queue of connections is full: the kernel drops each further attempt without a word, as a firewall does.
 * Gone when the running test ends.
 */
export async function stuckServer(): Promise<string> {
  const worker = new Worker(WORKER, { eval: true })
  const sockets: Socket[] = []
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await worker.terminate()
  })
  const [port] = (await once(worker, 'message')) as [number]
  while (await takesConnection(port, sockets));
  return `127.0.0.1:${port}`
}

/** False once a connect gets no answer: the queue is full then. */
async function takesConnection(port: number, sockets: Socket[]): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  sockets.push(socket)
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'connect'), new Promise((resolve) => setTimeout(resolve, 100))])
  // After a pause of the whole machine the answer may be there, and not read yet.
  await new Promise((resolve) => setImmediate(resolve))
  if (!socket.connecting) return true
  socket.destroy()
  return false
}
