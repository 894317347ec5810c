import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { root, run } from './run.mjs'

const VITEST = path.join(root, 'node_modules', 'vitest', 'vitest.mjs')

/**
 * Runs Vitest projects and counts their tests. A run that fails without a failed test, or that has no test at all, counts as one failure: nothing may get
 * lost in silence.
 *
 * @param {readonly string[]} projects - Names in `vitest.config.ts`.
 * @param {object} [options]
 * @param {string} [options.node] - The Node that runs them. Default: this one.
 * @param {Record<string, string>} [options.env] - Added to this process's.
 * @param {readonly string[]} [options.files] - Parts of the names of the files to run. Default: all.
 * @returns {Promise<import('./counts.mjs').Counts>}
 */
export async function runProjects(projects, { node = process.execPath, env = {}, files = [] } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'rocketmq-remoting-report-'))
  try {
    const report = path.join(folder, 'report.json')
    const names = projects.flatMap((project) => ['--project', project])
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    // Tests that start `node` get the same one.
    const PATH = `${path.dirname(node)}${path.delimiter}${process.env.PATH}`
    const code = await run(node, [VITEST, 'run', ...files, ...names, ...reporters], { env: { PATH, ...env } })
    const counts = await readReport(report)
    const problem = problemOf(counts, code)
    if (problem === undefined) return counts
    console.log(`${projects.join(' + ')}: ${problem}; this counts as one failure`)
    return { ...counts, failed: counts.failed + 1 }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function problemOf({ passed, failed }, code) {
  if (failed > 0) return undefined
  if (code !== 0) return `no test failed, but Vitest ended with exit code ${code}`
  return passed === 0 ? 'no test ran' : undefined
}

async function readReport(file) {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return { passed: 0, failed: 0, skipped: 0 }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(text)
  // A file that can't be loaded has no tests to count.
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !hasFailure(assertionResults),
  )
  return {
    passed: numPassedTests,
    failed: numFailedTests + brokenFiles.length,
    skipped: numPendingTests + numTodoTests,
  }
}

function hasFailure(assertionResults) {
  return assertionResults.some(({ status }) => status === 'failed')
}
