import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { lastLines, runCommand } from '../../test/support/run-command.js'
import { ROOT } from '../compile.js'

/** An older build of this client, in a folder of its own. */
export interface RevisionBuild {
  readonly commit: string
  /** The module that programs import. */
  readonly entryFile: string
  remove(): Promise<void>
}

/**
 * Builds a revision in a work tree of its own, with the packages of this one where its lock file is the same.
 *
 * @throws Error when there is no such revision or it does not build, with the last lines of what was printed.
 */
export async function buildRevision(revision: string): Promise<RevisionBuild> {
  const commit = (await git('rev-parse', '--verify', '--short=10', `${revision}^{commit}`)).trim()
  const parent = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-bench-revision-'))
  const folder = path.join(parent, 'tree')
  const remove = async (): Promise<void> => {
    await git('worktree', 'remove', '--force', folder).catch(() => undefined)
    await rm(parent, { recursive: true, force: true })
    await git('worktree', 'prune')
  }
  try {
    await git('worktree', 'add', '--detach', folder, commit)
    await addPackages(folder)
    await expectSuccess(process.execPath, [path.join(folder, 'scripts', 'build.mjs')], folder)
    const entryFile = path.join(folder, 'dist', 'index.js')
    if (!existsSync(entryFile)) throw new Error(`${commit} builds no dist/index.js`)
    return { commit, entryFile, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function addPackages(folder: string): Promise<void> {
  const lockOf = (root: string): Promise<string> => readFile(path.join(root, 'package-lock.json'), 'utf8')
  if ((await lockOf(ROOT)) === (await lockOf(folder)))
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'dir')
  else await expectSuccess('npm', ['ci', '--no-audit', '--no-fund'], folder)
}

function git(...args: string[]): Promise<string> {
  return expectSuccess('git', args, ROOT)
}

async function expectSuccess(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { exitCode, output } = await runCommand(command, args, { cwd })
  if (exitCode === 0) return output
  throw new Error(`${[path.basename(command), ...args].join(' ')} failed: ${lastLines(output, 10)}`)
}
