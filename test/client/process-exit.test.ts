import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'

it('a process that starts, sends, pulls and shuts down exits by itself', async () => {
  const cluster = await scriptedCluster()
  const pullFields = { suggestWhichBrokerId: 0, nextBeginOffset: 5, minOffset: 0, maxOffset: 5 }
  cluster.broker().scripts.set(Code.PULL, (request, connection) => {
    connection.answer(request, { code: 19, fields: pullFields })
  })
  const program = fileURLToPath(new URL('../support/send-and-exit.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', program, cluster.namesrvAddr], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  child.stderr.on('data', (chunk) => {
    output += chunk
  })
  // Without an exit of its own, the test ends at its time limit.
  const [exitCode, signal] = await once(child, 'close')
  expect({ exitCode, signal, output }).toEqual({ exitCode: 0, signal: null, output: 'shut down 5\n' })
  expect(cluster.broker().server.requestsOf(Code.UPDATE_OFFSET)[0]?.field('commitOffset')).toBe('5')
  expect(cluster.broker().server.requestsOf(Code.UNREGISTER)).toHaveLength(2)
}, 120_000)
