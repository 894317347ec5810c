import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, test } from 'vitest'

const run = promisify(execFile)

interface Component {
  name: string
  version: string
  purl: string
  hashes?: { alg: string; content: string }[]
  licenses?: { license: { id: string } }[]
}

interface Sbom {
  bomFormat: string
  metadata: { component: Component }
  components: Component[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

function manifestOf(folder: string): { name: string; version: string; dependencies?: Record<string, string> } {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
}

test('the SBOM names what is installed with the package and nothing else, with checksums and licences', async () => {
  const { stdout } = await run(process.execPath, ['scripts/sbom.mjs'])
  const { bomFormat, metadata, components, dependencies } = JSON.parse(stdout) as Sbom
  const { name, version, dependencies: own = {} } = manifestOf('.')
  expect(bomFormat).toBe('CycloneDX')
  expect(metadata.component).toMatchObject({ name, version, purl: `pkg:npm/${name}@${version}` })

  const installed = Object.values(inject('runtimeDependencies')).map((folder) => manifestOf(folder))
  const purls = installed.map((each) => `pkg:npm/${each.name}@${each.version}`)
  expect(components.map(({ purl }) => purl).sort()).toEqual(purls.sort())
  for (const { hashes = [], licenses = [] } of components) {
    expect(hashes).toMatchObject([{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }])
    expect(['MIT', 'Apache-2.0']).toContain(licenses[0]?.license.id)
  }
  const direct = dependencies.find(({ ref }) => ref === `${name}@${version}`)?.dependsOn ?? []
  expect(direct.map((ref) => ref.slice(0, ref.lastIndexOf('@'))).sort()).toEqual(Object.keys(own).sort())
})
