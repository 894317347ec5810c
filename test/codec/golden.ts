import { readFileSync } from 'node:fs'

/** The cases of one fixture file: bytes and texts that Java's classes made, with what Java reads from them. */
export function golden<T>(kind: string): readonly T[] {
  const text = readFileSync(new URL(`../fixtures/${kind}.json`, import.meta.url), 'utf8')
  const { cases } = JSON.parse(text) as { cases: readonly T[] }
  // A loop over nothing would pass.
  if (cases.length === 0) throw new Error(`${kind}.json has no cases`)
  return cases
}

export function fromHex(hex: string): Buffer {
  return Buffer.from(hex, 'hex')
}
