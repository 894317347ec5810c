// What must pass before a change is merged: .ci/run calls it. The last line is the sum of all steps.
//   node scripts/ci.mjs --list           names the steps
//   node scripts/ci.mjs --only TEXT      runs the steps whose names contain TEXT
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { format, oneOf, parseLastLine, sum } from './lib/counts.mjs'
import { withDockerEngine } from './lib/docker.mjs'
import { root, run, runInstalled, runNpm } from './lib/run.mjs'
import { install, main, setUp } from './lib/set-up.mjs'
import { failedTests, formatFailed, parseFailed, runProjects, runSecured } from './lib/suites.mjs'

/** The Node that runs this script is the one of `npm test`. */
const OTHER_NODES = [20, 22, 24, 26].filter((major) => !process.version.startsWith(`v${major}.`))
/** The default version is what `npm test` runs. */
const OLDER_ROCKETMQ = ['5.4.0', '5.3.3', '5.1.4', '4.9.7']
/** What the Java oracle of the tests can is shown once, by `npm test`. */
const ORACLE_TESTS = ['test/support/oracle*.test.ts']
/** That of 5.1.4 is not published. */
const OLDER_PROXIES = ['5.4.0', '5.3.3']
const SECURED = ['test/producer', 'test/consumer', 'test/client']
/** Where the versions of proxies differ. */
const PROXY_DIFFERENCES = ['client/proxy', 'producer/default-producer', 'producer/recall']
const DOCKER_ROCKETMQ = '5.5.0'
const IMAGE = `rocketmq-remoting-test:${DOCKER_ROCKETMQ}`

const steps = [
  { name: 'npm test', run: npmTest },
  { name: 'format and lint', run: () => check(runInstalled('@biomejs/biome/bin/biome', ['ci'])) },
  { name: 'types', run: () => check(runNpm(['run', 'typecheck'])) },
  { name: 'publint and attw', run: checkPackage },
  ...OTHER_NODES.map((major) => ({ name: `unit and modules on Node ${major}`, run: () => unitOn(major) })),
  ...OLDER_ROCKETMQ.map((version) => ({ name: `real and java on RocketMQ ${version}`, run: () => serversOf(version) })),
  { name: 'real, secured and through a proxy', run: realElsewhere },
  { name: 'real by Docker', run: realByDocker },
]

await main(async () => {
  const args = process.argv.slice(2)
  if (args[0] === '--list') {
    for (const { name } of steps) console.log(name)
    return
  }
  const only = args[0] === '--only' ? args[1] : undefined
  const chosen = only === undefined ? steps : steps.filter(({ name }) => name.includes(only))
  if (chosen.length === 0) throw new Error(`no step has "${only}" in its name: see --list`)
  const results = []
  for (const step of chosen) results.push(await runStep(step))
  report(results)
})

/** A step that fails, in whatever way, doesn't keep the others from running. */
async function runStep({ name, run }) {
  console.log(`\n=== ${name} ===`)
  const startedAt = Date.now()
  let counts
  try {
    failedTests.length = 0
    counts = await run()
  } catch (error) {
    console.error(error)
    counts = oneOf(false)
  }
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  console.log(`=== ${name}: ${format(counts)}, in ${seconds} s`)
  return { name, counts, seconds, failed: [...failedTests] }
}

function report(results) {
  const total = sum(results.map(({ counts }) => counts))
  console.log()
  for (const { name, counts, seconds, failed } of results) {
    console.log(
      `${counts.failed === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(36)} ${String(seconds).padStart(5)} s  ${format(counts)}`,
    )
    for (const test of failed) console.log(`     ${formatFailed(test)}`)
  }
  if (total.failed > 0) process.exitCode = 1
  console.log(format(total))
}

async function check(command) {
  return oneOf((await command) === 0)
}

/** The README's test command, by the route that every CI machine has. */
async function npmTest() {
  let output = ''
  const keepEnd = (text) => {
    output = (output + text).slice(-20_000)
  }
  const code = await runNpm(['test'], { env: { ROCKETMQ_CLUSTER: 'java' }, onOutput: keepEnd })
  const counts = parseLastLine(output)
  failedTests.push(...parseFailed(output))
  if (counts === undefined) return oneOf(false)
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

/** publint and attw look at the packed tarball. */
async function checkPackage() {
  await setUp()
  const folder = await mkdtemp(path.join(tmpdir(), 'rocketmq-remoting-pack-'))
  try {
    const code = await runNpm(['pack', '--silent', '--ignore-scripts', '--pack-destination', folder])
    const [tarball] = await readdir(folder)
    if (code !== 0 || tarball === undefined) return oneOf(false)
    const file = path.join(folder, tarball)
    return sum([
      await check(runInstalled('publint/src/cli.js', ['run', file, '--strict'])),
      await check(runInstalled('@arethetypeswrong/cli/dist/index.js', [file, '--profile', 'strict'])),
    ])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function unitOn(major) {
  await setUp()
  const tools = path.join(root, 'tools', 'node')
  await install(tools)
  const node = path.join(tools, 'node_modules', `node${major}-${process.platform}-${process.arch}`, 'bin', 'node')
  await run(node, ['--version'])
  // What compilers and npm make of the package doesn't depend on the Node.
  const files = ['modules', 'jest', 'sandbox']
  // Nor does what a client makes of bad answers, of which the first suite sees all.
  const env = { HOSTILE_ANSWERS: '5000' }
  return sum([await runProjects(['unit'], { node, env }), await runProjects(['package'], { node, files })])
}

async function serversOf(version) {
  await setUp()
  const env = { ROCKETMQ_CLUSTER: 'java', ROCKETMQ_VERSION: version }
  // Both wait for brokers most of the time: side by side they take two thirds of it.
  const java = { env, exclude: ORACLE_TESTS, isHeldBack: true }
  return sum(await Promise.all([runProjects(['real'], { env }), runProjects(['java'], java)]))
}

/** Both wait for servers most of the time. Examples are the same in every cluster. What a proxy does not serve is left out, and listed with its reason: `test/support/unserved-by-proxy.ts`. */
async function realElsewhere() {
  await setUp()
  return sum(await Promise.all([runSecured(SECURED), throughProxies()]))
}

async function throughProxies() {
  const results = [await runProjects(['proxy'], { isHeldBack: true })]
  for (const ROCKETMQ_VERSION of OLDER_PROXIES) {
    const env = { ROCKETMQ_VERSION }
    results.push(await runProjects(['proxy'], { env, files: PROXY_DIFFERENCES, isHeldBack: true }))
  }
  return sum(results)
}

/** Once in containers: by an engine that answers, else by one that is installed and started for this, and ended after it. */
async function realByDocker() {
  await setUp()
  return withDockerEngine(async (engine) => {
    const code = await run('test/support/docker/build-image.sh', [DOCKER_ROCKETMQ, IMAGE], { env: engine })
    if (code !== 0) return oneOf(false)
    const env = {
      ...engine,
      ROCKETMQ_CLUSTER: 'docker',
      ROCKETMQ_VERSION: DOCKER_ROCKETMQ,
      ROCKETMQ_IMAGE: IMAGE,
      TESTCONTAINERS_RYUK_DISABLED: 'true',
    }
    return runProjects(['real'], { env })
  })
}
