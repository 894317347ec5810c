import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, inject, test } from 'vitest'

test('Jest tests can require it without transforms', () => {
  const folder = path.join(inject('projectFolder'), 'jest')
  mkdirSync(folder)
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ jest: { testEnvironment: 'node', transform: {} } }))
  writeFileSync(
    path.join(folder, 'client.test.js'),
    `const { DefaultProducer, ClientError } = require('rocketmq-remoting')
     test('a producer can be made', async () => {
       const producer = new DefaultProducer({ producerGroup: 'group', namesrvAddr: 'localhost:9876' })
       await expect(producer.send({ topic: 'topic', body: 'body' })).rejects.toBeInstanceOf(ClientError)
       await producer.shutdown()
     })`,
  )
  const jest = path.resolve('tools/consumer/node_modules/jest/bin/jest.js')
  const { status, stderr } = spawnSync(process.execPath, [jest, '--ci', '--no-cache'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(stderr).toContain('1 passed')
  expect(status).toBe(0)
})
