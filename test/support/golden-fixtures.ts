import type { Oracle } from './oracle.js'
import type { VectorKind } from './oracle-verbs.js'

/** Where fixtures lie, seen from here. */
export const FIXTURE_FOLDER = new URL('../fixtures/', import.meta.url)

type Case = Readonly<Record<string, unknown>>

export interface Fixture {
  readonly note: string
  readonly cases: readonly Case[]
}

interface FixturePlan {
  readonly kind: VectorKind
  /** With more than one, each case names its own. */
  readonly versions: readonly string[]
}

/**
 * What `scripts/make-fixtures.ts` writes: `<kind>.json` for each.
 *
 * 5.3 prints with fastjson, 5.4 with fastjson2, so what servers print comes from both.
 */
export const FIXTURE_PLANS: readonly FixturePlan[] = [
  { kind: 'frames', versions: ['5.4.0'] },
  { kind: 'requests', versions: ['5.4.0'] },
  { kind: 'signed-requests', versions: ['5.4.0'] },
  { kind: 'messages', versions: ['5.4.0'] },
  { kind: 'compression', versions: ['5.4.0'] },
  { kind: 'batch', versions: ['5.4.0'] },
  { kind: 'properties', versions: ['5.4.0'] },
  { kind: 'ids', versions: ['5.4.0'] },
  { kind: 'fastjson', versions: ['5.3.3', '5.4.0'] },
  { kind: 'hash', versions: ['5.4.0'] },
  { kind: 'validators', versions: ['5.4.0'] },
  { kind: 'trace', versions: ['5.4.0'] },
  { kind: 'namespace', versions: ['5.4.0'] },
  { kind: 'allocate', versions: ['5.4.0'] },
  { kind: 'subscriptions', versions: ['5.4.0'] },
  { kind: 'fingerprints', versions: ['5.3.3', '5.4.0'] },
  { kind: 'static-topics', versions: ['5.4.0'] },
  { kind: 'locks', versions: ['5.3.3', '5.4.0'] },
  { kind: 'receipts', versions: ['5.4.0'] },
  { kind: 'pop-answers', versions: ['5.4.0'] },
  { kind: 'batch-acks', versions: ['5.3.3', '5.4.0'] },
]

/** Has Java make the contents of one fixture file. `oracleOf` hands out a started oracle of a version. */
export async function makeFixture(plan: FixturePlan, oracleOf: (version: string) => Promise<Oracle>): Promise<Fixture> {
  let note = ''
  const cases: Case[] = []
  for (const version of plan.versions) {
    const oracle = await oracleOf(version)
    const vectors = await oracle.call('vectors', { kind: plan.kind })
    note = `Made by the classes of RocketMQ ${plan.versions.join(' and ')} with scripts/make-fixtures.ts. ${vectors.note}`
    for (const one of vectors.cases) cases.push(plan.versions.length > 1 ? { version, ...one } : one)
  }
  return { note, cases }
}

/** A fixture as text: one case a line, so that a change shows as the case it touches. */
export function fixtureText({ note, cases }: Fixture): string {
  const lines = cases.map((one) => JSON.stringify(one))
  return `{"note":${JSON.stringify(note)},"cases":[\n${lines.join(',\n')}\n]}\n`
}
