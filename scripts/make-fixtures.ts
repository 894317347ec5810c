/**
 * Writes test/fixtures/*.json anew: golden bytes from the official Java classes. Needs a JDK 17, and Maven the first time.
 *
 * Run with `npx tsx scripts/make-fixtures.ts`, or with the kinds to write: `npx tsx scripts/make-fixtures.ts frames hash`.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { FIXTURE_FOLDER, FIXTURE_PLANS, fixtureText, makeFixture } from '../test/support/golden-fixtures.js'
import { type Oracle, startOracle } from '../test/support/oracle.js'

const wanted = process.argv.slice(2)
const unknown = wanted.filter((kind) => !FIXTURE_PLANS.some((plan) => plan.kind === kind))
if (unknown.length > 0) {
  throw new Error(
    `no fixtures called ${unknown.join(', ')}; there are ${FIXTURE_PLANS.map((plan) => plan.kind).join(', ')}`,
  )
}

const oracles = new Map<string, Promise<Oracle>>()

function oracleOf(version: string): Promise<Oracle> {
  const oracle = oracles.get(version) ?? startOracle(version)
  oracles.set(version, oracle)
  return oracle
}

try {
  await mkdir(FIXTURE_FOLDER, { recursive: true })
  for (const plan of FIXTURE_PLANS) {
    if (wanted.length > 0 && !wanted.includes(plan.kind)) continue
    const text = fixtureText(await makeFixture(plan, oracleOf))
    await writeFile(new URL(`${plan.kind}.json`, FIXTURE_FOLDER), text)
    console.log(`test/fixtures/${plan.kind}.json: ${Buffer.byteLength(text)} bytes`)
  }
} finally {
  for (const oracle of oracles.values()) await (await oracle).stop()
}
