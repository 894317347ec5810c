import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { root, run, runNpm } from './run.mjs'

const OLDEST_NODE = [20, 19]

/** Something that the user must do first: shown without a stack. */
export class SetUpError extends Error {}

/** Everything that a fresh clone needs before its code can run: the packages and the build. Does nothing where both are there and new enough. */
export async function setUp() {
  checkNode()
  await install(root)
  await build()
}

/** Installs what the lock file of a folder names, unless that was done since it last changed. */
export async function install(folder) {
  const lock = path.join(folder, 'package-lock.json')
  const installed = path.join(folder, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && timeOf(installed) >= timeOf(lock)) return
  console.log(`npm ci in ${path.relative(process.cwd(), folder) || '.'}`)
  const code = await runNpm(['ci'], { cwd: folder })
  if (code !== 0) throw new SetUpError(`npm ci failed with exit code ${code} in ${folder}: see its lines above`)
}

/** Builds the package into `dist`, unless nothing has changed since the last time. */
export async function build() {
  const built = path.join(root, 'dist', 'index.cjs')
  const sources = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs']
  if (existsSync(built) && Math.max(...sources.map((source) => newestIn(path.join(root, source)))) <= timeOf(built))
    return
  const code = await run(process.execPath, [path.join(root, 'scripts', 'build.mjs')])
  if (code !== 0) throw new SetUpError(`the build failed with exit code ${code}: see its lines above`)
}

/** Runs the main function of a script: a failure is shown, in one line where the user can mend it, and is exit code 1. */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    console.error(error instanceof SetUpError ? error.message : error)
    process.exitCode = 1
  }
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  throw new SetUpError(`this is Node ${process.versions.node}, ${OLDEST_NODE.join('.')} or newer is needed`)
}

function timeOf(file) {
  return statSync(file).mtimeMs
}

function newestIn(file) {
  if (!statSync(file).isDirectory()) return timeOf(file)
  return Math.max(timeOf(file), ...readdirSync(file).map((name) => newestIn(path.join(file, name))))
}
