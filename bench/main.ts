import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { BenchBroker } from './bench-broker.js'
import { compileBench, compiledFile } from './compile.js'
import { describeMachine } from './machine.js'
import { type BenchOptions, readOptions, USAGE } from './options.js'
import { renderReport } from './report.js'
import { rowsOf, targetRatio } from './results.js'
import { runRounds } from './rounds.js'
import { TARGETS } from './workloads.js'

/** Runs the benchmark; the exit code is 1 when a measured process failed. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) {
    console.log(USAGE)
    return 0
  }
  await compileBench()
  if (options.isMicro)
    return spawnSync(process.execPath, [compiledFile('bench/micro.ts')], { stdio: 'inherit' }).status ?? 1
  return runAgainstBroker(options)
}

async function runAgainstBroker(options: BenchOptions): Promise<number> {
  const startedAt = Date.now()
  const broker = await BenchBroker.start()
  try {
    const machine = describeMachine(broker.cluster)
    const { runs, failures } = await runRounds(broker, options, startedAt)
    const seconds = Math.round((Date.now() - startedAt) / 1000)
    console.log(
      `${machine.text}; ${options.rounds} interleaved round${options.rounds === 1 ? '' : 's'} in ${seconds} s\n`,
    )
    console.log(renderReport(options.workloads, runs))
    for (const failure of failures) console.log(`\nFailed: ${failure}`)
    if (options.jsonFile !== undefined) {
      const workloads = options.workloads.map((workload) => ({ ...workload, rows: rowsOf(workload, runs) }))
      const targets = TARGETS.map((target) => ({ ...target, measured: targetRatio(target, runs) }))
      const result = { machine, rounds: options.rounds, seconds, workloads, targets, runs, failures }
      await writeFile(options.jsonFile, `${JSON.stringify(result, undefined, 2)}\n`)
    }
    return failures.length === 0 ? 0 : 1
  } finally {
    await broker.stop()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
