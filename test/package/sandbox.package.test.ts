import { execFile } from 'node:child_process'
import { realpathSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, test } from 'vitest'
import { pushSetUp } from '../support/push-consumer-under-test.js'

const run = promisify(execFile)

/** A program of a user that sends, reads and consumes, and says at its end what it could not have done beside. */
const PROGRAM = `
import { DefaultProducer, PullConsumer, PushConsumer } from 'rocketmq-remoting'
const namesrvAddr = process.argv[2]
const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr, compressBodyOver: 100, compressType: 'LZ4' })
const reader = new PullConsumer({ consumerGroup: 'c', namesrvAddr })
const consumer = new PushConsumer({ consumerGroup: 'g', namesrvAddr, consumeFromWhere: 'FIRST' })
const consumed = new Promise((resolve) => consumer.onMessage(([message]) => resolve(message.body.toString())))
await Promise.all([producer.start(), reader.start(), consumer.subscribe('T')])
await consumer.start()
const { sendStatus } = await producer.send({ topic: 'T', body: 'x'.repeat(1000) })
const [queue] = await reader.fetchSubscribeMessageQueues('T')
const { messages } = await reader.pull(queue, { offset: 0 })
const results = [sendStatus, messages.length, await consumed]
await Promise.all([producer.shutdown(), reader.shutdown(), consumer.shutdown()])
let evaluated = true
try { evaluated = new Function('return true')() } catch { evaluated = false }
const may = ['fs.write', 'child', 'worker'].filter((scope) => process.permission.has(scope))
console.log(JSON.stringify({ results, evaluated, may }))
`

/** The permission model's name changed when it became stable; since it knows the network, that is all that is granted beside reading the package. */
function permissionFlags(folders: readonly string[]): string[] {
  const known = (flag: string) => process.allowedNodeEnvironmentFlags.has(flag)
  return [
    known('--permission') ? '--permission' : '--experimental-permission',
    ...(known('--allow-net') ? ['--allow-net'] : []),
    ...folders.map((folder) => `--allow-fs-read=${folder}${path.sep}*`),
  ]
}

test('it works where no text becomes code, and nothing is allowed but the network and reading the package', async () => {
  const { cluster, queue } = await pushSetUp()
  queue.fill(3)
  const folder = realpathSync(inject('projectFolder'))
  const file = path.join(folder, 'sandbox.mjs')
  writeFileSync(file, PROGRAM)
  const folders = [folder, ...Object.values(inject('runtimeDependencies')).map((each) => realpathSync(each))]
  const flags = ['--disallow-code-generation-from-strings', '--no-warnings', ...permissionFlags(folders)]
  const { stdout, stderr } = await run(process.execPath, [...flags, file, cluster.namesrvAddr], {
    timeout: 15_000,
  }).catch((e) => e)
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({ results: ['SEND_OK', 3, 'body 0'], evaluated: false, may: [] })
})
