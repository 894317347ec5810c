import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { BenchBroker } from './bench-broker.js'
import { compare } from './compare/compare.js'
import { compileBench, ROOT } from './compile.js'
import { describeMachine, describeRevision } from './machine.js'
import { Clients } from './measured/clients.js'
import { runMicro } from './micro/run-micro.js'
import { type BenchOptions, readOptions, USAGE } from './options.js'
import { FULL_PACE, QUICK_PACE } from './pace.js'
import { renderReport } from './report/console-report.js'
import { renderMicro } from './report/micro-table.js'
import { writePerformancePage } from './report/performance-page.js'
import { type Result, readNewestResult, resultFileFor, writeResult } from './result-file.js'
import { Rounds } from './rounds.js'
import type { Workload } from './workloads.js'

/** For everything, in milliseconds: what is left to be measured then is left out. */
const START_BUDGET = 6 * 60_000
const ROUND_BUDGET = 12 * 60_000
/** The Java client's jars where the servers don't say their version. */
const JAVA_CLIENT = '5.5.0'

/** Runs the benchmark; the exit code is 1 when this client failed or became slower. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(USAGE)
    return 0
  }
  if (options.action === 'report') {
    await writePerformancePage(await readNewestResult())
    return 0
  }
  await compileBench()
  for (const folder of [options.cpuProfiles, options.heapProfiles])
    if (folder !== undefined) await mkdir(folder, { recursive: true })
  if (options.action === 'micro') {
    console.log(renderMicro(await runMicro()))
    return 0
  }
  return options.action === 'compare' ? compare(options) : measure(options)
}

async function measure(options: BenchOptions): Promise<number> {
  const startedAt = Date.now()
  const broker = await BenchBroker.start()
  try {
    const { version, route } = broker.cluster
    const javaClient = version === 'unknown' ? JAVA_CLIENT : version
    const about = {
      measuredAt: new Date(startedAt).toISOString(),
      revision: await describeRevision(),
      machine: await describeMachine(`${version} (${route})`, javaClient),
      rounds: options.rounds,
      isQuick: options.isQuick,
    }
    const rounds = new Rounds(broker, new Clients(javaClient), {
      pace: options.isQuick ? QUICK_PACE : FULL_PACE,
      profile: { cpu: options.cpuProfiles, heap: options.heapProfiles },
      end: startedAt + START_BUDGET + options.rounds * ROUND_BUDGET,
    })
    const resultSoFar = (micro: Result['micro']): Result => {
      const seconds = Math.round((Date.now() - startedAt) / 1000)
      return { ...about, seconds, runs: rounds.runs, failures: rounds.failures, micro }
    }
    const files = resultFiles(options, about)
    await rounds.warmUpBroker()
    for (const workloads of byFamily(options.workloads)) {
      await rounds.measureFamily(workloads, options.rounds)
      // What was measured is kept, whatever happens to the rest.
      for (const file of files) await writeResult(file, resultSoFar([]))
    }
    const result = resultSoFar(options.isComplete ? await runMicro().catch(noMicro) : [])
    for (const file of files) await writeResult(file, result)
    if (options.isComplete) await writePerformancePage(result)
    console.log(renderReport(options.workloads, result))
    return result.failures.some(({ client }) => client === 'rocketmq-remoting') ? 1 : 0
  } finally {
    await broker.stop()
  }
}

/** The rest of the run is worth keeping. */
function noMicro(error: unknown): [] {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  return []
}

function resultFiles(options: BenchOptions, about: Pick<Result, 'measuredAt' | 'revision'>): string[] {
  const files = options.isComplete ? [resultFileFor(about)] : []
  if (options.jsonFile !== undefined) files.push(path.resolve(ROOT, options.jsonFile))
  return files
}

function byFamily(workloads: readonly Workload[]): Workload[][] {
  const names = [...new Set(workloads.map(({ family }) => family))]
  return names.map((name) => workloads.filter(({ family }) => family === name))
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
