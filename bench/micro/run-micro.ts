import path from 'node:path'
import { lastLines, runCommand } from '../../test/support/run-command.js'
import { compiledFile } from '../compile.js'
import type { Summary } from '../statistics.js'
import type { MicroResult } from './micro-result.js'

/** Nothing is collected while bytes are counted. Times are taken with Node as users have it. */
const BYTES_OPTIONS = ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64']

interface Line<Value> extends Pick<MicroResult, 'name' | 'by'> {
  readonly value: Value
}

/** Runs the micro-benchmarks, in two processes of their own. Needs what {@link compileBench} makes. */
export async function runMicro(): Promise<MicroResult[]> {
  console.error('bench: micro-benchmarks')
  const times = await linesOf<Summary>([], 'time')
  const bytes = await linesOf<number>(BYTES_OPTIONS, 'bytes')
  return times.map(({ name, by, value }) => {
    const weighed = bytes.find((line) => line.name === name && line.by === by)
    return { name, by, nanoseconds: value, bytes: Math.round(weighed?.value ?? 0) }
  })
}

async function linesOf<Value>(nodeOptions: readonly string[], what: string): Promise<Line<Value>[]> {
  const program = compiledFile(path.join('bench', 'micro', 'micro-main.ts'))
  const { exitCode, output } = await runCommand(process.execPath, [...nodeOptions, program, what])
  if (exitCode !== 0) throw new Error(`the micro-benchmarks failed: ${lastLines(output, 15)}`)
  const lines = output.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line) as Line<Value>)
}
