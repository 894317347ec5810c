import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type {} from 'vitest'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A folder whose `node_modules` holds the package as npm would install it, and its dependencies. */
    projectFolder: string
    /** Folders of the run-time dependencies, theirs included, by name. */
    runtimeDependencies: Record<string, string>
    /** What the tarball holds, by path. */
    packedFiles: string[]
  }
}

/** Packs the package once and installs the tarball into a project of its own. */
export function setup(project: TestProject): () => void {
  execFileSync(process.execPath, ['scripts/set-up.mjs', 'tools/consumer'], { stdio: 'inherit' })
  const folder = mkdtempSync(path.join(tmpdir(), 'rocketmq-remoting-package-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const packed = execFileSync(
      'npm',
      ['pack', '--silent', '--ignore-scripts', '--json', '--pack-destination', folder],
      {
        encoding: 'utf8',
      },
    )
    const { filename, files } = packResult(JSON.parse(packed))
    execFileSync('tar', ['-xzf', filename], { cwd: folder })
    const modules = path.join(folder, 'node_modules')
    mkdirSync(modules)
    renameSync(path.join(folder, 'package'), path.join(modules, 'rocketmq-remoting'))
    const dependencies = runtimeDependencies()
    for (const [name, source] of Object.entries(dependencies)) symlinkSync(source, path.join(modules, name))
    linkTypesOfNode(modules)
    project.provide('projectFolder', folder)
    project.provide('runtimeDependencies', dependencies)
    project.provide('packedFiles', files)
  } catch (error) {
    remove()
    throw error
  }
  return remove
}

interface PackResult {
  filename: string
  files: string[]
}

/** npm prints a list, some versions of it a table by package name. */
function packResult(output: unknown): PackResult {
  const [result] = Object.values(output as Record<string, { filename: string; files: { path: string }[] }>)
  if (result === undefined) throw new Error('npm pack packed nothing')
  return { filename: result.filename, files: result.files.map((file) => file.path) }
}

function runtimeDependencies(): Record<string, string> {
  const found: Record<string, string> = {}
  const add = (name: string): void => {
    if (name in found) return
    const folder = path.resolve('node_modules', name)
    found[name] = folder
    for (const next of dependenciesOf(folder)) add(next)
  }
  for (const name of dependenciesOf('.')) add(name)
  return found
}

function dependenciesOf(folder: string): string[] {
  const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  return Object.keys(manifest.dependencies ?? {})
}

function linkTypesOfNode(modules: string): void {
  mkdirSync(path.join(modules, '@types'))
  symlinkSync(path.resolve('node_modules/@types/node'), path.join(modules, '@types', 'node'))
  if (existsSync('node_modules/undici-types')) {
    symlinkSync(path.resolve('node_modules/undici-types'), path.join(modules, 'undici-types'))
  }
}
