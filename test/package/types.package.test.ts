import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, inject, test } from 'vitest'

/** Each with the word that it wants to hear before it resolves in the oldest way. */
const COMPILERS = {
  'TypeScript 5.9': { folder: 'tools/consumer/node_modules/typescript5', ignoreDeprecations: '5.0' },
  'TypeScript 6.0': { folder: 'node_modules/typescript', ignoreDeprecations: '6.0' },
}

/** How users' projects find packages. */
const PROJECTS = {
  'node16, CommonJS': { type: 'commonjs', module: 'node16', moduleResolution: 'node16' },
  'node16, ECMAScript modules': { type: 'module', module: 'node16', moduleResolution: 'node16' },
  'nodenext, CommonJS': { type: 'commonjs', module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { type: 'module', module: 'esnext', moduleResolution: 'bundler' },
  node10: { type: 'commonjs', module: 'commonjs', moduleResolution: 'node10' },
}

const RIGHT_PROGRAM = `
import { ClientError, DefaultProducer, isRocketMQError, PullConsumer, type Message, type SendResult } from 'rocketmq-remoting'

export async function run(message: Message): Promise<SendResult> {
  const producer = new DefaultProducer({ producerGroup: 'group', namesrvAddr: ['localhost:9876'] })
  producer.on('connect', ({ address }) => address.toUpperCase())
  await producer.start()
  try {
    return await producer.send(message, { timeout: 1000, signal: AbortSignal.timeout(1000) })
  } catch (error) {
    if (isRocketMQError(error) && error instanceof ClientError && error.retryable) console.error(error.code)
    throw error
  } finally {
    await producer.shutdown()
  }
}

export async function firstBody(consumer: PullConsumer): Promise<Buffer | undefined> {
  const [queue] = await consumer.fetchSubscribeMessageQueues('topic')
  if (queue === undefined) return undefined
  const { messages } = await consumer.pull(queue, { offset: 0 })
  return messages[0]?.body
}
`

const WRONG_PROGRAM = `
import { DefaultProducer } from 'rocketmq-remoting'
export const wrong = new DefaultProducer({ producerGroup: 5 }).send({ topic: 'topic' })
`

describe.each(Object.entries(COMPILERS))('%s', (name, compiler) => {
  test.for(Object.entries(PROJECTS))(
    'takes a right program and finds the mistakes in a wrong one: %s',
    ([kind, project]) => {
      const errors = compile(`${name} ${kind}`, compiler, project, { skipLibCheck: true })
      expect(errors).toEqual(['wrong.ts TS2322', 'wrong.ts TS2345'])
    },
  )
})

test('the declarations themselves have no fault', () => {
  const compiler = COMPILERS['TypeScript 6.0']
  const project = PROJECTS['node16, ECMAScript modules']
  const files = { 'module.ts': RIGHT_PROGRAM, 'common.cts': RIGHT_PROGRAM, 'wrong.ts': WRONG_PROGRAM }
  const errors = compile('declarations', compiler, project, { skipLibCheck: false }, files)
  expect(errors).toEqual(['wrong.ts TS2322', 'wrong.ts TS2345'])
})

/** Compiles programs in a project of their own, and answers the errors as file and code. */
function compile(
  name: string,
  compiler: { folder: string; ignoreDeprecations: string },
  { type, ...resolution }: { type: string; module: string; moduleResolution: string },
  options: { skipLibCheck: boolean },
  files: Record<string, string> = { 'right.ts': RIGHT_PROGRAM, 'wrong.ts': WRONG_PROGRAM },
): string[] {
  const cwd = path.join(inject('projectFolder'), name.replace(/\W+/g, '-'))
  mkdirSync(cwd)
  const { ignoreDeprecations } = compiler
  const compilerOptions = {
    ...options,
    ...resolution,
    ignoreDeprecations,
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    noEmit: true,
  }
  writeFileSync(path.join(cwd, 'package.json'), JSON.stringify({ type }))
  writeFileSync(path.join(cwd, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(files) }))
  for (const [file, program] of Object.entries(files)) writeFileSync(path.join(cwd, file), program)
  const tsc = path.resolve(compiler.folder, 'bin/tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', '.', '--pretty', 'false'], { cwd, encoding: 'utf8' })
  return [...stdout.matchAll(/^(?:([\w./-]+)\(.*)?error (TS\d+)/gm)].map(([, file, code]) => `${file} ${code}`)
}
