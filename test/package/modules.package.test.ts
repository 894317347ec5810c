import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, inject, test } from 'vitest'

const PUBLIC_CLASSES = ['Client', 'DefaultProducer', 'PullConsumer', 'RocketMQError', 'ClientError', 'BrokerError']

/** Runs a program of a user, who has installed the package, and answers what it printed. */
function runProgram(name: string, code: string): string {
  const file = path.join(inject('projectFolder'), name)
  writeFileSync(file, code)
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.trim()
}

test('an ECMAScript module imports it by name, and nothing happens by that', () => {
  const output = runProgram(
    'import.mjs',
    `import { ${PUBLIC_CLASSES.join(', ')} } from 'rocketmq-remoting'
     console.log([${PUBLIC_CLASSES.join(', ')}].map((each) => each.name).join())`,
  )
  expect(output).toBe(PUBLIC_CLASSES.join())
})

test('a CommonJS module requires it by name', () => {
  const output = runProgram(
    'require.cjs',
    `const { ${PUBLIC_CLASSES.join(', ')} } = require('rocketmq-remoting')
     console.log([${PUBLIC_CLASSES.join(', ')}].map((each) => each.name).join())`,
  )
  expect(output).toBe(PUBLIC_CLASSES.join())
})

test('import and require give the same classes in one process', () => {
  const output = runProgram(
    'both.cjs',
    `const required = require('rocketmq-remoting')
     import('rocketmq-remoting').then((imported) => {
       const names = Object.keys(imported).filter((name) => name !== 'module.exports')
       const different = names.filter((name) => imported[name] !== required[name])
       const error = new required.ClientError('CLOSED', 'x')
       console.log(names.length > 0, different.length, error instanceof imported.ClientError)
     })`,
  )
  expect(output).toBe('true 0 true')
})

test('the CommonJS file exports what the module exports, and an error of one copy is an instance of the other one', () => {
  const output = runProgram(
    'copies.cjs',
    `const path = require('node:path')
     const copy = require(path.join(__dirname, 'node_modules/rocketmq-remoting/dist/index.cjs'))
     import('rocketmq-remoting').then((imported) => {
       const error = new copy.BrokerError('x', { address: 'a:1', responseCode: 1, responseName: 'SYSTEM_ERROR', remark: '' })
       const names = (module) => Object.keys(module).filter((name) => name !== 'module.exports' && name !== 'default').sort().join()
       console.log(copy.BrokerError !== imported.BrokerError, names(copy) === names(imported),
         error instanceof imported.BrokerError, error instanceof imported.RocketMQError, error instanceof imported.ClientError)
     })`,
  )
  expect(output).toBe('true true true true false')
})

test('the CommonJS file requires only what has a CommonJS form', () => {
  const file = path.join(inject('projectFolder'), 'node_modules/rocketmq-remoting/dist/index.cjs')
  const required = [...readFileSync(file, 'utf8').matchAll(/require\("([^"]+)"\)/g)].map(([, name]) => name)
  expect(required).toContain('eventemitter3')
  expect(required).not.toContain('p-retry')
  expect(required).not.toContain('is-network-error')
})

test('the version in its package.json can be read', () => {
  const output = runProgram('version.cjs', `console.log(require('rocketmq-remoting/package.json').version)`)
  expect(output).toMatch(/^\d+\.\d+\.\d+/)
})

test('files inside of it can not be imported', () => {
  const output = runProgram(
    'deep.mjs',
    `import('rocketmq-remoting/dist/errors.js').catch((error) => console.log(error.code))`,
  )
  expect(output).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED')
})
