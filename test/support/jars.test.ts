import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ensureJars, hasJars } from './jars.js'
import { MissingTool, parseJavaVersion } from './java-home.js'

const JAVA_17 = 'echo \'openjdk version "17.0.15" 2025-04-15\' >&2'

let folder: string
/** `ensureJars` remembers what it has found, so that every test asks for a version of its own. */
let version: string
let tests = 0

beforeEach(async () => {
  version = `9.9.${++tests}`
  folder = await mkdtemp(path.join(os.tmpdir(), 'jars-test-'))
  await mkdir(path.join(folder, 'bin'))
  vi.stubEnv('ROCKETMQ_REMOTING_CACHE', path.join(folder, 'cache'))
  vi.stubEnv('JAVA_HOME', '')
  vi.stubEnv('PATH', path.join(folder, 'bin'))
})

afterEach(async () => {
  vi.unstubAllEnvs()
  await rm(folder, { recursive: true, force: true })
})

async function fakeCommand(name: string, script: string): Promise<void> {
  const file = path.join(folder, 'bin', name)
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
}

/** A Maven that fetches one empty jar and counts how often it was asked to. */
function fakeMaven(): Promise<void> {
  return fakeCommand('mvn', `[ "$1" = -v ] && exit 0\n/bin/mkdir lib; echo > lib/one.jar; echo x >> "${folder}/calls"`)
}

test('jars are fetched once, into the folder of their version', async () => {
  await fakeCommand('java', JAVA_17)
  await fakeMaven()
  expect(hasJars(version)).toBe(false)
  const [first, second] = await Promise.all([ensureJars(version), ensureJars(version)])
  expect(first).toBe(path.join(folder, 'cache', 'jars', `v${version}`, 'lib'))
  expect(second).toBe(first)
  expect(await readdir(first)).toEqual(['one.jar'])
  expect(hasJars(version)).toBe(true)
  expect(await readFile(path.join(folder, 'calls'), 'utf8')).toBe('x\n')
})

test('jars of the proxy are a set of their own', async () => {
  await fakeCommand('java', JAVA_17)
  await fakeMaven()
  const [servers, proxy] = await Promise.all([ensureJars(version), ensureJars(version, 'proxy')])
  expect(servers).toBe(path.join(folder, 'cache', 'jars', `v${version}`, 'lib'))
  expect(proxy).toBe(path.join(folder, 'cache', 'jars', `proxy-v${version}`, 'lib'))
  expect([hasJars(version), hasJars(version, 'proxy')]).toEqual([true, true])
  expect(await readFile(path.join(folder, 'calls'), 'utf8')).toBe('x\nx\n')
})

test('jars in the cache need neither Java nor Maven', async () => {
  const lib = path.join(folder, 'cache', 'jars', `v${version}`, 'lib')
  await mkdir(lib, { recursive: true })
  await writeFile(path.join(lib, '..', '.done'), '')
  expect(await ensureJars(version)).toBe(lib)
})

test('a folder that was left half done is replaced', async () => {
  await fakeCommand('java', JAVA_17)
  await fakeMaven()
  const lib = path.join(folder, 'cache', 'jars', `v${version}`, 'lib')
  await mkdir(lib, { recursive: true })
  await writeFile(path.join(lib, 'half.jar'), '')
  expect(await readdir(await ensureJars(version))).toEqual(['one.jar'])
})

test('a failure of Maven is reported with the end of what it printed, and leaves nothing behind', async () => {
  await fakeCommand('java', JAVA_17)
  await fakeCommand('mvn', '[ "$1" = -v ] && exit 0\necho could not find artifact; exit 1')
  await expect(ensureJars(version)).rejects.toThrow(/RocketMQ 9\.9\.\d+ \(exit code 1\)[\s\S]*could not find artifact/)
  expect(await readdir(path.join(folder, 'cache', 'jars'))).toEqual([])
})

test('a failure is forgotten, so that the next call tries again', async () => {
  await expect(ensureJars(version)).rejects.toThrow(MissingTool)
  await fakeCommand('java', JAVA_17)
  await fakeMaven()
  expect(existsSync(await ensureJars(version))).toBe(true)
})

test('missing tools are named together with what to install', async () => {
  await expect(ensureJars(version)).rejects.toThrow(/Java not found .*: install a JDK or JRE 17 or newer/)
  await fakeCommand('java', JAVA_17)
  await expect(ensureJars(version)).rejects.toThrow(/Maven not found .*: install Maven/)
})

test('a Java older than 17 is refused', async () => {
  await fakeCommand('java', 'echo \'java version "1.8.0_402"\' >&2')
  await expect(ensureJars(version)).rejects.toThrow('java is Java 8: install a JDK or JRE 17 or newer')
})

test('what is no version is refused before anything is fetched', async () => {
  await expect(ensureJars('../5.5.0')).rejects.toThrow('"../5.5.0" is no RocketMQ version')
})

test('the version of Java is read from both of its spellings', () => {
  expect(parseJavaVersion('openjdk version "21.0.2" 2024-01-16')).toBe(21)
  expect(parseJavaVersion('java version "1.8.0_402"')).toBe(8)
  expect(parseJavaVersion('openjdk version "25" 2025-09-16')).toBe(25)
  expect(parseJavaVersion('no such thing')).toBeUndefined()
})
