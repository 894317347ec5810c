import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { expect, inject, test } from 'vitest'

const dependencies = Object.entries(inject('runtimeDependencies'))

test('the tarball holds what a user needs and nothing else', () => {
  expect([...inject('packedFiles')].sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'dist/index.cjs',
    'dist/index.d.cts',
    'dist/index.d.ts',
    'dist/index.js',
    'package.json',
  ])
})

test('the tarball says nothing of where it was built, so that everybody makes the same one', () => {
  const own = path.join(inject('projectFolder'), 'node_modules/rocketmq-remoting')
  const texts = inject('packedFiles').map((file) => [file, readFileSync(path.join(own, file), 'utf8')] as const)
  const telling = texts.filter(
    ([, text]) => text.includes('.build-') || text.includes(`${path.resolve('.')}${path.sep}`),
  )
  expect(telling.map(([file]) => file)).toEqual([])
})

test('all that is installed takes less than five mebibytes', () => {
  const own = path.join(inject('projectFolder'), 'node_modules/rocketmq-remoting')
  const folders = [own, ...dependencies.map(([, folder]) => folder)]
  expect(folders.reduce((sum, folder) => sum + sizeOf(folder), 0)).toBeLessThan(5 * 1024 * 1024)
})

test('nothing that is installed with the package has an install script', () => {
  const scripts = dependencies.flatMap(([name, folder]) => {
    const { scripts = {} } = manifestOf(folder)
    return ['preinstall', 'install', 'postinstall'].filter((each) => each in scripts).map((each) => `${name}: ${each}`)
  })
  expect(scripts).toEqual([])
  expect(Object.keys(manifestOf('.').scripts ?? {})).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/install/)]),
  )
})

test('nothing that is installed with the package has a native part', () => {
  const native = dependencies.filter(([, folder]) => {
    const { gypfile, os, cpu, optionalDependencies } = manifestOf(folder)
    const isBoundToPlatforms = [gypfile, os, cpu, optionalDependencies].some((each) => each !== undefined)
    return isBoundToPlatforms || existsSync(path.join(folder, 'binding.gyp')) || filesOf(folder).some(isBinary)
  })
  expect(native.map(([name]) => name)).toEqual([])
})

test('the run-time dependencies are the ones that were decided on', () => {
  expect(dependencies.map(([name]) => name).sort()).toEqual(
    [...Object.keys(manifestOf('.').dependencies ?? {}), 'is-network-error'].sort(),
  )
})

interface Manifest {
  scripts?: Record<string, string>
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  gypfile?: boolean
  os?: string[]
  cpu?: string[]
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
}

function sizeOf(folder: string): number {
  return filesOf(folder).reduce((sum, file) => {
    const stats = statSync(path.join(folder, file))
    return stats.isFile() ? sum + stats.size : sum
  }, 0)
}

function isBinary(file: string): boolean {
  return /\.(node|wasm|so|dll|dylib|exe)$/.test(file)
}
