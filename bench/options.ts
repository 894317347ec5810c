import { parseArgs } from 'node:util'
import { WORKLOADS, type Workload } from './workloads.js'

export interface BenchOptions {
  readonly rounds: number
  readonly workloads: readonly Workload[]
  /** Replaces the number of messages of every measured window; the warm-up shrinks with it. */
  readonly messages: number | undefined
  readonly jsonFile: string | undefined
  /** Folder for CPU profiles of the measured processes. */
  readonly profileFolder: string | undefined
  readonly isMicro: boolean
}

export const USAGE = `usage: npm run bench -- [options]

  --rounds N         rounds, interleaved (default 3)
  --only NAME        only workloads whose name begins so; may be repeated
                     (${WORKLOADS.map((workload) => workload.name).join(', ')})
  --messages N       messages of every measured window, for a quick look (default: by workload)
  --json FILE        write every run and the summary to FILE
  --cpu-prof FOLDER  write a CPU profile of every measured process to FOLDER
  --micro            the micro-benchmark of the codec instead; needs no broker
  --help`

/**
 * Reads the command line.
 *
 * @returns undefined when the usage is asked for.
 * @throws Error that says which option is wrong.
 */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', multiple: true, default: [] },
      messages: { type: 'string' },
      json: { type: 'string' },
      'cpu-prof': { type: 'string' },
      micro: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  return {
    rounds: count('rounds', values.rounds),
    workloads: chosen(values.only),
    messages: values.messages === undefined ? undefined : count('messages', values.messages),
    jsonFile: values.json,
    profileFolder: values['cpu-prof'],
    isMicro: values.micro,
  }
}

function count(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} is ${text}, a whole number from 1 on expected`)
  return value
}

function chosen(only: readonly string[]): readonly Workload[] {
  const unknown = only.find((prefix) => !WORKLOADS.some((workload) => workload.name.startsWith(prefix)))
  if (unknown !== undefined) {
    throw new Error(
      `--only ${unknown} fits no workload; there are: ${WORKLOADS.map((workload) => workload.name).join(', ')}`,
    )
  }
  if (only.length === 0) return WORKLOADS
  return WORKLOADS.filter((workload) => only.some((prefix) => workload.name.startsWith(prefix)))
}
