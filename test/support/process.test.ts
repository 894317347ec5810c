import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ServerProcess } from './process.js'
import { ProcessGuard } from './process-guard.js'

let folder: string
let guard: ProcessGuard

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'process-test-'))
  guard = new ProcessGuard(folder)
})

afterEach(async () => {
  guard.end()
  await rm(folder, { recursive: true, force: true })
})

function shell(script: string): ServerProcess {
  return new ServerProcess({
    name: 'server',
    command: 'sh',
    args: ['-c', script],
    cwd: folder,
    env: process.env,
    logFile: path.join(folder, 'server.log'),
    guard,
  })
}

test('a process that is killed says so and can be started again', async () => {
  const server = shell('echo started; exec sleep 60')
  server.start()
  const { pid } = server
  await vi.waitFor(() => expect(server.logTail(5)).toBe('started'))
  await server.kill()
  expect([server.pid, server.end]).toEqual([undefined, 'signal SIGKILL'])

  server.start()
  expect(server.pid).not.toBe(pid)
  await vi.waitFor(() => expect(server.logTail(5)).toBe('started\nstarted'))
  expect(() => server.start()).toThrow('server runs already')
  await server.kill()
})

test('a process that is stopped may end in order', async () => {
  const server = shell('trap "echo bye; exit 3" TERM; echo started; while :; do sleep 0.1; done')
  server.start()
  await vi.waitFor(() => expect(server.logTail(5)).toBe('started'))
  await server.stop()
  expect(server.end).toBe('exit code 3')
  expect(server.logTail(1)).toBe('bye')
})

test('a process that is stopped while it is paused ends', async () => {
  const server = shell('while :; do echo tick; sleep 0.05; done')
  server.start()
  await vi.waitFor(() => expect(server.logTail(5)).toContain('tick'))
  server.pause()
  expect([server.isRunning, server.isPaused]).toEqual([true, true])
  await server.stop()
  expect([server.isRunning, server.isPaused]).toEqual([false, false])
  expect(() => server.resume()).toThrow('server does not run (signal SIGTERM)')
})

test('a command that does not exist is reported as the end of the process', async () => {
  const server = new ServerProcess({
    name: 'server',
    command: 'no-such-command',
    args: [],
    cwd: folder,
    env: process.env,
    logFile: path.join(folder, 'server.log'),
    guard,
  })
  server.start()
  await vi.waitFor(() => expect(server.isRunning).toBe(false))
  expect(server.end).toContain('ENOENT')
})

test('a guard that loses its owner kills what is left and removes the folder', async () => {
  const left = spawn('sleep', ['60'])
  const removed = spawn('sleep', ['60'])
  try {
    const ended = new Promise((resolve) => left.once('exit', (_code, signal) => resolve(signal)))
    guard.add(removed.pid ?? 0)
    guard.add(left.pid ?? 0)
    guard.remove(removed.pid ?? 0)
    guard.end()
    expect(await ended).toBe('SIGKILL')
    await vi.waitFor(() => expect(existsSync(folder)).toBe(false))
    expect(removed.exitCode).toBeNull()
    expect(removed.signalCode).toBeNull()
  } finally {
    left.kill('SIGKILL')
    removed.kill('SIGKILL')
  }
})
