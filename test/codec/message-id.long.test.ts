import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import type { MadeIds } from './message-id-child.js'

const CHILD = path.join(import.meta.dirname, 'message-id-child.ts')
const PROCESSES = 8
const IDS = 10_000_000
const HEAP_LIMIT_MIB = 64
/** As of containers: nothing but chance tells them apart. */
const ADDRESS = '172.17.0.2'
const PID = 1

/** A process of {@link CHILD}, and the lines that it writes. */
function startChild(): { child: ChildProcess; lines: AsyncIterator<string> } {
  // A process that needs more ends with "heap out of memory".
  const args = [`--max-old-space-size=${HEAP_LIMIT_MIB}`, '--import', 'tsx', CHILD, String(IDS), ADDRESS, String(PID)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
}

test('80,000,000 ids that eight processes with one address and pid make at the same time differ, all of them', async () => {
  const children = Array.from({ length: PROCESSES }, startChild)
  for (const { lines } of children) expect((await lines.next()).value).toBe('ready')
  for (const { child } of children) child.stdin?.write('go\n')
  const made = await Promise.all(
    children.map(async ({ lines }) => JSON.parse((await lines.next()).value ?? '{}') as MadeIds),
  )
  for (const { count, repeated, prefixes } of made) {
    expect({ count, repeated }).toEqual({ count: IDS, repeated: 0 })
    expect(prefixes).toHaveLength(1)
    expect(prefixes[0]).toMatch(/^AC1100020001[0-9A-F]{8}$/)
  }
  expect(new Set(made.flatMap(({ prefixes }) => prefixes)).size).toBe(PROCESSES)
}, 600_000)
