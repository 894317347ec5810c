// Builds the package into dist: ECMAScript modules as they are, one CommonJS file, and the types of both.
import { copyFile, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { root, runInstalled } from './lib/run.mjs'
import { main, SetUpError } from './lib/set-up.mjs'

/** Packages without a CommonJS form: `require` of them fails in Jest and in older bundlers, so they become part of the CommonJS file. */
const ESM_ONLY = ['p-retry', 'is-network-error']

await main(async () => {
  const startedAt = Date.now()
  // Made beside dist and moved there at the end: a build that fails, or one under way, harms nobody.
  const folder = await mkdtemp(path.join(root, '.build-'))
  try {
    const modules = path.join(folder, 'modules')
    const types = path.join(folder, 'types')
    await compile(modules)
    const { build: bundle } = await import('tsdown')
    const common = { config: false, cwd: root, clean: false, platform: 'node', target: 'node20.19', logLevel: 'warn' }
    await bundle({
      ...common,
      entry: { index: path.join(modules, 'index.js') },
      outDir: modules,
      format: 'cjs',
      dts: false,
      deps: { alwaysBundle: ESM_ONLY, onlyBundle: ESM_ONLY },
      checks: { legacyCjs: false },
    })
    // One file of types without the modules that users don't see; the same one for both forms.
    await bundle({
      ...common,
      entry: { index: path.join(modules, 'index.d.ts') },
      outDir: types,
      format: 'esm',
      dts: { dtsInput: true, emitDtsOnly: true },
    })
    await removeDeclarations(modules)
    await copyFile(path.join(types, 'index.d.ts'), path.join(modules, 'index.d.ts'))
    await copyFile(path.join(types, 'index.d.ts'), path.join(modules, 'index.d.cts'))
    await rm(path.join(root, 'dist'), { recursive: true, force: true })
    await rename(modules, path.join(root, 'dist'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  console.log(`built dist in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`)
})

async function compile(outDir) {
  const code = await runInstalled('typescript/bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', outDir])
  if (code !== 0) throw new SetUpError(`the TypeScript compiler failed with exit code ${code}`)
}

async function removeDeclarations(folder) {
  for (const name of await readdir(folder, { recursive: true })) {
    if (name.endsWith('.d.ts')) await rm(path.join(folder, name))
  }
}
