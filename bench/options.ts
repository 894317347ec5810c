import { parseArgs } from 'node:util'
import { GROWTH_WORKLOADS } from './growths.js'
import { CLIENT_TITLES, type ClientName, MIDDLE_SIZE, OURS, WORKLOADS, type Workload } from './workloads.js'

export interface BenchOptions {
  readonly action: 'measure' | 'micro' | 'report' | 'compare'
  readonly rounds: number
  /** Those with this client's own, whatever is left out. */
  readonly workloads: readonly Workload[]
  /** Whether everything is measured, so that the result may be kept. */
  readonly isComplete: boolean
  readonly isQuick: boolean
  readonly jsonFile: string | undefined
  /** Folder for CPU profiles of the measured processes. */
  readonly cpuProfiles: string | undefined
  /** Folder for allocation profiles. */
  readonly heapProfiles: string | undefined
  /** What is compared with. */
  readonly revision: string
  /** The slow-down that is put in to see whether it is found, in percent. */
  readonly plant: number
}

/** Of a comparison, before more are added where nothing is certain. */
const COMPARE_ROUNDS = 9

const ALL = [...WORKLOADS, ...GROWTH_WORKLOADS]
const FAMILY_NAMES = [...new Set(ALL.map(({ family }) => family))]

export const USAGE = `usage: npm run bench -- [options]

  --only NAME         only workloads whose name begins so; may be repeated:
                      ${FAMILY_NAMES.join(', ')}, with -128, -1024 or -4096
  --peers NAMES       only these beside this client, separated by commas; none: this client alone
                      (${otherClients().join(', ')})
  --rounds N          rounds, interleaved (default 3; ${COMPARE_ROUNDS} for --compare)
  --quick             a tenth of the messages and hardly any warm-up: does everything run?
  --json FILE         write every run to FILE as well
  --cpu-prof FOLDER   write a CPU profile of every measured Node process to FOLDER
  --heap-prof FOLDER  the same for what is allocated
  --micro             the micro-benchmarks of codec and channel only; needs no broker
  --report            makes docs/performance.md and its plots again from the newest file of bench/results
  --compare REV       this working copy against an older revision: exit code 1 when a workload is slower
                      (default: each workload with ${MIDDLE_SIZE} B; --only names others)
  --plant PERCENT     makes this working copy slower by so much in a comparison, to see that it is found
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
      only: { type: 'string', multiple: true, default: [] },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      'cpu-prof': { type: 'string' },
      'heap-prof': { type: 'string' },
      micro: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
      compare: { type: 'string' },
      plant: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const action = actionOf(values)
  if (values.plant !== undefined && action !== 'compare') throw new Error('--plant goes with --compare only')
  const isCompare = action === 'compare'
  const workloads = withPeers(chosen(values.only, isCompare), values.peers)
  return {
    action,
    rounds: values.rounds === undefined ? (isCompare ? COMPARE_ROUNDS : 3) : count('rounds', values.rounds, 1),
    workloads,
    isComplete: values.only.length === 0 && values.peers === undefined && !values.quick,
    isQuick: values.quick,
    jsonFile: values.json,
    cpuProfiles: values['cpu-prof'],
    heapProfiles: values['heap-prof'],
    revision: values.compare ?? '',
    plant: values.plant === undefined ? 0 : count('plant', values.plant, 0),
  }
}

function actionOf(values: { micro: boolean; report: boolean; compare?: string }): BenchOptions['action'] {
  const asked: BenchOptions['action'][] = []
  if (values.micro) asked.push('micro')
  if (values.report) asked.push('report')
  if (values.compare !== undefined) asked.push('compare')
  const [action = 'measure', other] = asked
  if (other !== undefined) throw new Error(`--${action} and --${other} exclude each other`)
  return action
}

function count(name: string, text: string, least: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} is ${text}, a whole number from ${least} on expected`)
  return value
}

function chosen(only: readonly string[], isCompare: boolean): readonly Workload[] {
  const unknown = only.find((prefix) => !ALL.some(({ name }) => name.startsWith(prefix)))
  if (unknown !== undefined)
    throw new Error(`--only ${unknown} fits no workload; they begin with: ${FAMILY_NAMES.join(', ')}`)
  if (only.length > 0) return ALL.filter(({ name }) => only.some((prefix) => name.startsWith(prefix)))
  return isCompare ? WORKLOADS.filter(({ bodySize }) => bodySize === MIDDLE_SIZE) : ALL
}

function withPeers(workloads: readonly Workload[], peers: string | undefined): readonly Workload[] {
  if (peers === undefined) return workloads
  const names = peers === 'none' ? [] : peers.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !(otherClients() as readonly string[]).includes(name))
  if (unknown !== undefined) throw new Error(`--peers ${unknown}: there are ${otherClients().join(', ')}, or none`)
  return workloads.map((workload) => ({
    ...workload,
    clients: workload.clients.filter((client) => client === OURS || names.includes(client)),
  }))
}

function otherClients(): ClientName[] {
  return (Object.keys(CLIENT_TITLES) as ClientName[]).filter((name) => name !== OURS && name !== 'revision')
}
