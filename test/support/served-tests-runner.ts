import path from 'node:path'
import { type RunnerTestFile, type RunnerTestSuite, TestRunner } from 'vitest'
import { UNSERVED } from './unserved-by-proxy.js'

type OnCollected = (files: RunnerTestFile[]) => unknown

/** Leaves out the tests of {@link UNSERVED} before anybody hears of them, so that they count neither as passed nor as skipped. */
// biome-ignore lint/style/noDefaultExport: Vitest looks for it there
export default class ServedTestsRunner extends TestRunner {
  #report: OnCollected | undefined

  /** Vitest puts a function of its own here, which tells the reporters what was found: by then it must be left out. */
  set onCollected(report: OnCollected) {
    this.#report = report
  }

  get onCollected(): OnCollected | undefined {
    const report = this.#report
    if (report === undefined) return undefined
    return (files) => {
      for (const file of files) leaveOut(file, path.relative(this.config.root, file.filepath))
      return report(files)
    }
  }
}

/** An entry that names no test fails the file, so that the list stays true. */
function leaveOut(file: RunnerTestFile, name: string): void {
  const listed = new Set(UNSERVED.filter((entry) => entry.file === name).flatMap(({ tests = [] }) => tests))
  const unused = new Set(listed)
  prune(file, listed, unused)
  // Older servers have fewer tests.
  if (unused.size === 0 || file.result?.state === 'fail' || process.env.ROCKETMQ_VERSION !== undefined) return
  const message = `unserved-by-proxy.ts lists tests that ${name} does not have: ${[...unused].join('; ')}`
  file.result = { state: 'fail', errors: [{ name: 'Error', message }] }
}

function prune(suite: RunnerTestSuite, listed: ReadonlySet<string>, unused: Set<string>): void {
  suite.tasks = suite.tasks.filter((task) => {
    const fullName = task.fullTestName ?? task.name
    unused.delete(fullName)
    if (listed.has(fullName)) return false
    if (task.type === 'suite') prune(task, listed, unused)
    return true
  })
}
