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
import { runProjects } from './lib/suites.mjs'

/** The Node that runs this script is the one of `npm test`. */
const OTHER_NODES = [20, 22, 24, 26].filter((major) => !process.version.startsWith(`v${major}.`))
/** The default version is what `npm test` runs. */
const OLDER_ROCKETMQ = ['5.4.0', '5.3.3', '5.1.4', '4.9.7']
const DOCKER_ROCKETMQ = '5.5.0'
const IMAGE = `rocketmq-remoting-test:${DOCKER_ROCKETMQ}`

const steps = [
  { name: 'npm test', run: npmTest },
  { name: 'format and lint', run: () => check(runInstalled('@biomejs/biome/bin/biome', ['ci'])) },
  { name: 'types', run: () => check(runNpm(['run', 'typecheck'])) },
  { name: 'publint and attw', run: checkPackage },
  ...OTHER_NODES.map((major) => ({ name: `unit and modules on Node ${major}`, run: () => unitOn(major) })),
  ...OLDER_ROCKETMQ.map((version) => ({ name: `real and java on RocketMQ ${version}`, run: () => serversOf(version) })),
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
    counts = await run()
  } catch (error) {
    console.error(error)
    counts = oneOf(false)
  }
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  console.log(`=== ${name}: ${format(counts)}, in ${seconds} s`)
  return { name, counts, seconds }
}

function report(results) {
  const total = sum(results.map(({ counts }) => counts))
  console.log()
  for (const { name, counts, seconds } of results) {
    console.log(
      `${counts.failed === 0 ? 'ok  ' : 'FAIL'} ${name.padEnd(36)} ${String(seconds).padStart(5)} s  ${format(counts)}`,
    )
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
    output = (output + text).slice(-1000)
  }
  const code = await runNpm(['test'], { env: { ROCKETMQ_CLUSTER: 'java' }, onOutput: keepEnd })
  const counts = parseLastLine(output)
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
  const files = ['modules', 'jest']
  return sum([await runProjects(['unit'], { node }), await runProjects(['package'], { node, files })])
}

async function serversOf(version) {
  await setUp()
  const env = { ROCKETMQ_CLUSTER: 'java', ROCKETMQ_VERSION: version }
  return sum([await runProjects(['real'], { env }), await runProjects(['java'], { env })])
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
