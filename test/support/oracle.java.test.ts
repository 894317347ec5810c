import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { inflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { bodyOf } from './deterministic-body.js'
import { FIXTURE_FOLDER, FIXTURE_PLANS, type Fixture, makeFixture } from './golden-fixtures.js'
import { type Oracle, OracleError, startOracle } from './oracle.js'
import { rejectionOf, until } from './until.js'

const oracles = new Map<string, Promise<Oracle>>()

function oracleOf(version: string): Promise<Oracle> {
  const oracle = oracles.get(version) ?? startOracle(version)
  oracles.set(version, oracle)
  return oracle
}

afterAll(async () => {
  for (const oracle of oracles.values()) await (await oracle).stop()
})

async function committed(kind: string): Promise<Fixture> {
  return JSON.parse(await readFile(new URL(`${kind}.json`, FIXTURE_FOLDER), 'utf8')) as Fixture
}

type Case = Fixture['cases'][number]

/** A case without what differs from run to run, or from one build of zlib, which is the JDK's and not RocketMQ's, to another. */
function reproducible(one: Case): Case {
  if (one.kind === 'time') return { kind: one.kind }
  if (one.type === 'ZLIB') {
    const { base64, compressedSize, ...rest } = one
    const plain = inflateSync(Buffer.from(String(base64), 'base64'))
    return { ...rest, inflated: sha256(plain), isCompressed: Number(compressedSize) > 0 }
  }
  if (String(one.name).startsWith('ZLIB')) {
    const [message] = one.decoded as [Case]
    return { ...one, hex: undefined, decoded: { ...message, storeSize: undefined, bodyCRC: undefined } }
  }
  return one
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

const NAMES = [
  ['PULL_MESSAGE', 'PullMessageRequestHeader'],
  ['POP_MESSAGE', 'PopMessageRequestHeader'],
  ['GET_ROUTEINFO_BY_TOPIC', 'GetRouteInfoRequestHeader'],
  ['HEART_BEAT', null],
  ['NO_SUCH_COMMAND', 'NoSuchHeader'],
] as const

describe('the oracle of 5.4.0', () => {
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await oracleOf('5.4.0')
  })

  test('tells codes and header fields of commands, inherited fields included', async () => {
    const { commands, headers, responseCodes, systemResponseCodes, languageCodes } = await oracle.call('headers', {
      names: NAMES,
    })
    expect(commands).toEqual({
      PULL_MESSAGE: 11,
      POP_MESSAGE: 200050,
      GET_ROUTEINFO_BY_TOPIC: 105,
      HEART_BEAT: 34,
      NO_SUCH_COMMAND: null,
    })
    expect(headers.NoSuchHeader).toEqual({ missing: true })
    const pull = headers.PullMessageRequestHeader
    const fields = new Map(pull?.missing ? [] : pull?.fields.map((field) => [field.name, field]))
    expect(fields.get('queueOffset')).toMatchObject({ type: 'Long', required: true })
    expect(fields.get('subscription')).toMatchObject({ type: 'String', required: false })
    expect(fields.get('bname')).toMatchObject({ type: 'String', declaredBy: 'RpcRequestHeader' })
    expect(headers.GetRouteInfoRequestHeader).toMatchObject({
      className: expect.stringContaining('.header.namesrv.'),
    })
    expect(responseCodes).toMatchObject({ SUCCESS: 0, TOPIC_NOT_EXIST: 17, GO_AWAY: 1500 })
    expect(systemResponseCodes).toMatchObject({ SYSTEM_BUSY: 2 })
    expect(languageCodes).toMatchObject({ OTHER: 7, NODE_JS: 13 })
  })

  test.each(FIXTURE_PLANS)('makes the committed fixture $kind again', async (plan) => {
    const fixture = await committed(plan.kind)
    const remade = await makeFixture(plan, oracleOf)
    expect(remade.note).toBe(fixture.note)
    expect(remade.cases.map(reproducible)).toEqual(fixture.cases.map(reproducible))
  })

  test('makes the same bodies from a seed as bodyOf', async () => {
    const { cases } = await committed('compression')
    const seeded = cases.filter((one) => 'seed' in (one.input as object))
    expect(seeded).toHaveLength(3)
    for (const { input, inputSha256 } of seeded) {
      const { seed, index, size } = input as { seed: number; index: number; size: number }
      expect(sha256(bodyOf(seed, index, size))).toBe(inputSha256)
    }
  })

  test('answers with the exception of the Java client and its causes', async () => {
    const error = await rejectionOf(oracle.call('route', { namesrvAddr: '127.0.0.1:1', topic: 'T' }))
    expect(error).toBeInstanceOf(OracleError)
    expect(error).toMatchObject({ message: expect.stringMatching(/^route: \w+Exception.*127\.0\.0\.1:1/s) })
  })

  test('names the sub-commands of mqadmin that it does not have', async () => {
    const error = await rejectionOf(oracle.call('mqadmin', { args: ['noSuchCommand'] }))
    expect(error).toMatchObject({ javaClass: 'IllegalArgumentException', code: null })
    expect(error.message).toContain('mqadmin has no sub-command noSuchCommand')
  })

  test('gives up a call after its time, with the log, and goes on', async () => {
    await using silent = await silentServer()
    const error = await rejectionOf(oracle.call('route', { namesrvAddr: silent.address, topic: 'T' }, 100))
    expect(error.message).toMatch(/^route: no answer from the Java oracle of 5\.4\.0 after 100 ms/)
    expect((await oracle.call('headers', { names: [] })).commands).toEqual({})
  })
})

describe('the oracle of 4.9.7', () => {
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await oracleOf('4.9.7')
  })

  test('finds commands and headers in the packages of 4.x, and says which are missing', async () => {
    const { commands, headers, responseCodes } = await oracle.call('headers', { names: NAMES })
    expect(commands).toMatchObject({ PULL_MESSAGE: 11, POP_MESSAGE: null })
    expect(headers.PopMessageRequestHeader).toEqual({ missing: true })
    expect(headers.PullMessageRequestHeader).toMatchObject({
      className: 'org.apache.rocketmq.common.protocol.header.PullMessageRequestHeader',
    })
    expect(responseCodes).toMatchObject({ SUCCESS: 0, TOPIC_NOT_EXIST: 17 })
  })

  test('hashes as 5.4.0 does', async () => {
    const { cases } = await oracle.call('vectors', { kind: 'hash' })
    expect(cases).toEqual((await committed('hash')).cases)
  })

  test('refuses golden bytes that it has no classes for', async () => {
    const error = await rejectionOf(oracle.call('vectors', { kind: 'frames' }))
    expect(error.message).toContain(
      'no vectors of kind frames in this version, only [hash, validators, properties, ids]',
    )
  })
})

describe('the JVM of an oracle', () => {
  test('rejects its pending and later calls when it dies', async () => {
    await using silent = await silentServer()
    await using oracle = await startOracle('5.4.0')
    const pending = rejectionOf(oracle.call('route', { namesrvAddr: silent.address, topic: 'T' }))
    await silent.connected
    process.kill(Number(oracle.pid), 'SIGKILL')
    const { message } = await pending
    expect(message).toMatch(/^route: the Java oracle of 5\.4\.0 ended with SIGKILL\n/)
    expect(message, 'the log').toContain(silent.address)
    const later = await rejectionOf(oracle.call('headers', { names: [] }))
    expect(later.message).toBe('headers: the Java oracle of 5.4.0 ended with SIGKILL')
  })

  test('ends with the process that started it, however that ends', async () => {
    const script = `
      const { startOracle } = await import(${JSON.stringify(new URL('./oracle.ts', import.meta.url).href)})
      console.log((await startOracle('5.4.0')).pid)`
    // The folder of a JVM whose starter was killed stays behind, with its logs.
    const tmp = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-oracle-test-'))
    onTestFinished(() => rm(tmp, { recursive: true, force: true }))
    const node = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: tmp },
    })
    const [line] = (await once(node.stdout, 'data')) as [Buffer]
    const jvm = Number(line.toString())
    expect(isAlive(jvm)).toBe(true)
    node.kill('SIGKILL')
    await until(() => !isAlive(jvm))
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** A server that takes connections and never says anything. */
async function silentServer(): Promise<AsyncDisposable & { address: string; connected: Promise<unknown> }> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    sockets.add(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  return {
    address: `127.0.0.1:${port}`,
    connected: once(server, 'connection'),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
