import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

interface LockedPackage {
  resolved?: string
  integrity?: string
  hasInstallScript?: boolean
  dev?: boolean
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

const lockFiles = ['.', ...foldersIn('tools'), ...foldersIn('bench')]
  .map((folder) => path.join(folder, 'package-lock.json'))
  .filter((file) => existsSync(file))

test('the tools have lock files of their own', () => {
  expect(lockFiles).toEqual(expect.arrayContaining(['package-lock.json', 'tools/node/package-lock.json']))
})

test.for(lockFiles)('%s names no registry, so that every registry will do', (file) => {
  const packages = packagesOf(file)
  expect(Object.keys(packages).filter((name) => packages[name]?.resolved !== undefined)).toEqual([])
})

test.for(lockFiles)('%s gives the checksum of each package', (file) => {
  const packages = Object.entries(packagesOf(file)).filter(([name]) => name !== '')
  expect(packages.filter(([, { integrity = '' }]) => !integrity.startsWith('sha512-')).map(([name]) => name)).toEqual(
    [],
  )
})

test('of what is installed for development, only these packages have install scripts', () => {
  const packages = Object.entries(packagesOf('package-lock.json')).filter(([, each]) => each.hasInstallScript === true)
  expect(packages.map(([name, { dev }]) => [name, dev])).toEqual(
    ['cpu-features', 'esbuild', 'protobufjs', 'ssh2'].map((name) => [`node_modules/${name}`, true]),
  )
})

// npm leaves out the packages of other platforms when it can't see them as it writes the lock file; then npm ci fails on every machine.
test.for(lockFiles)('%s lists everything that its packages depend on', (file) => {
  const packages = packagesOf(file)
  const missing = Object.entries(packages).flatMap(([from, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !isListed(packages, from, name))
      .map((name) => `${from}: ${name}`),
  )
  expect(missing).toEqual([])
})

function packagesOf(file: string): Record<string, LockedPackage> {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

/** Looks where Node would: below the package itself, then below each one around it. */
function isListed(packages: Record<string, LockedPackage>, from: string, name: string): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (path.posix.join(folder, 'node_modules', name) in packages) return true
    if (folder === '') return false
  }
}

function foldersIn(folder: string): string[] {
  return readdirSync(folder).map((name) => path.join(folder, name))
}
