import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ROOT } from './compile.js'
import type { Machine } from './machine.js'
import type { MicroResult } from './micro/micro-result.js'
import type { Failure, Run } from './results.js'

/** Everything that one run of the benchmark found out; tables and plots are made from it. */
export interface Result {
  /** In ISO 8601. */
  readonly measuredAt: string
  /** The commit. */
  readonly revision: string
  readonly machine: Machine
  readonly rounds: number
  readonly isQuick: boolean
  readonly seconds: number
  readonly runs: readonly Run[]
  readonly failures: readonly Failure[]
  readonly micro: readonly MicroResult[]
}

const FOLDER = path.join(ROOT, 'bench', 'results')

/** Where the result of a complete run is kept. */
export function resultFileFor({ measuredAt, revision }: Pick<Result, 'measuredAt' | 'revision'>): string {
  const time = measuredAt.slice(0, 16).replace('T', '-').replace(':', '')
  return path.join(FOLDER, `${time}-${revision.split(' ')[0]}.json`)
}

export async function writeResult(file: string, result: Result): Promise<void> {
  await mkdir(path.dirname(path.resolve(file)), { recursive: true })
  await writeFile(file, renderResult(result))
}

/** One line for each run, so that files stay short and can be compared. */
export function renderResult({ runs, failures, micro, ...rest }: Result): string {
  const head = JSON.stringify(rest, undefined, 2).slice(0, -2)
  const list = (items: readonly unknown[]): string =>
    items.length === 0 ? '[]' : `[\n${items.map((item) => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`
  return `${head},\n  "runs": ${list(runs)},\n  "failures": ${list(failures)},\n  "micro": ${list(micro)}\n}\n`
}

/** @throws Error when no result is kept. */
export async function readNewestResult(): Promise<Result> {
  const names = await readdir(FOLDER).catch(() => [])
  // Names begin with the time.
  const newest = names
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1)
  if (newest === undefined) throw new Error('bench/results holds no result yet: npm run bench makes one')
  return JSON.parse(await readFile(path.join(FOLDER, newest), 'utf8')) as Result
}
