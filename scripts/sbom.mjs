// Prints what is installed with this package, as an SBOM (CycloneDX, JSON): npm run --silent sbom
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { root, runNpm } from './lib/run.mjs'
import { main } from './lib/set-up.mjs'

await main(async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'rocketmq-remoting-sbom-'))
  try {
    const { devDependencies: _, ...manifest } = await readJson('package.json')
    const lock = await readJson('package-lock.json')
    // With `--omit dev`, npm leaves out also what both kinds of dependencies need: it must not see those for development at all.
    const packages = Object.entries(lock.packages).filter(([name, { dev }]) => name !== '' && dev !== true)
    const { devDependencies: __, ...own } = lock.packages['']
    // npm names what it tells of by its folder.
    const cwd = path.join(folder, manifest.name)
    await mkdir(cwd)
    await writeJson(path.join(cwd, 'package.json'), manifest)
    await writeJson(path.join(cwd, 'package-lock.json'), {
      ...lock,
      packages: { '': own, ...Object.fromEntries(packages) },
    })
    process.exitCode = await runNpm(['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only', '--offline'], { cwd })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

async function readJson(file) {
  return JSON.parse(await readFile(path.join(root, file), 'utf8'))
}

function writeJson(file, value) {
  return writeFile(file, JSON.stringify(value))
}
