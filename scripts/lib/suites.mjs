import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { LeakWatch } from './leaks.mjs'
import { root, run } from './run.mjs'

/** What failed in all runs of this process, to be told once more at its end. */
export const failedTests = []

const FAILED = 'failed: '

export function formatFailed(name) {
  return `${FAILED}${name}`
}

/** @returns the names that {@link formatFailed} wrote into an output. */
export function parseFailed(output) {
  return output.split('\n').flatMap((line) => (line.startsWith(FAILED) ? [line.slice(FAILED.length)] : []))
}

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
 * @param {readonly string[]} [options.exclude] - Globs of files not to run. Default: none.
 * @param {boolean} [options.isHeldBack] - Show the output when the run has ended.
 * @returns {Promise<import('./counts.mjs').Counts>}
 */
export async function runProjects(
  projects,
  { node = process.execPath, env = {}, files = [], exclude = [], isHeldBack = false } = {},
) {
  const folder = await mkdtemp(path.join(tmpdir(), 'rocketmq-remoting-report-'))
  try {
    const report = path.join(folder, 'report.json')
    const names = [
      ...projects.flatMap((project) => ['--project', project]),
      ...exclude.flatMap((glob) => ['--exclude', glob]),
    ]
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    // Tests that start `node` get the same one.
    const PATH = `${path.dirname(node)}${path.delimiter}${process.env.PATH}`
    const leaks = new LeakWatch()
    // A terminal is left to Vitest: it shows there how far it is.
    const watched = process.stdout.isTTY ? {} : { onText: (text) => leaks.look(text) }
    const code = await run(node, [VITEST, 'run', ...files, ...names, ...reporters], {
      env: { PATH, ...env },
      isHeldBack,
      ...watched,
    })
    const { failures, ...counts } = await readReport(report, leaks)
    for (const name of failures) failedTests.push(`${projects.join(' + ')}: ${name}`)
    const problem = leaks.hasFound ? 'a secret of the tests was printed' : problemOf(counts, code)
    if (problem === undefined) return counts
    console.log(`${projects.join(' + ')}: ${problem}; this counts as one failure`)
    failedTests.push(`${projects.join(' + ')}: ${problem}`)
    return { ...counts, failed: counts.failed + 1 }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Runs the tests of the shared cluster over mutual TLS and access control.
 *
 * @param {readonly string[]} [files] - As for {@link runProjects}.
 */
export function runSecured(files = []) {
  const env = { ROCKETMQ_CLUSTER: 'java', ROCKETMQ_SECURED: 'tls+acl' }
  return runProjects(['real'], { env, files })
}

function problemOf({ passed, failed }, code) {
  if (failed > 0) return undefined
  if (code !== 0) return `no test failed, but Vitest ended with exit code ${code}`
  return passed === 0 ? 'no test ran' : undefined
}

async function readReport(file, leaks) {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return { passed: 0, failed: 0, skipped: 0, failures: [] }
  leaks.look(text)
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(text)
  // A file that can't be loaded has no tests to count.
  const brokenFiles = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !hasFailure(assertionResults),
  )
  return {
    passed: numPassedTests,
    failed: numFailedTests + brokenFiles.length,
    skipped: numPendingTests + numTodoTests,
    failures: testResults.flatMap(failuresOf),
  }
}

/** @returns the names and messages of a file's failed tests, or of the file where it can't be loaded. */
function failuresOf({ name, status, message, assertionResults }) {
  const file = path.relative(root, name)
  const failed = assertionResults.filter((result) => result.status === 'failed')
  if (failed.length === 0) return status === 'failed' ? [`${file}: ${firstLine(message)}`] : []
  return failed.map(({ fullName, failureMessages }) => `${file} > ${fullName}: ${firstLine(failureMessages[0])}`)
}

function firstLine(text = '') {
  return (text.split('\n', 1)[0] ?? '').slice(0, 300)
}

function hasFailure(assertionResults) {
  return assertionResults.some(({ status }) => status === 'failed')
}
