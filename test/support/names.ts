import { randomBytes } from 'node:crypto'

/** A name that no other test has used, so that tests share one cluster without meeting. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${Date.now().toString(36)}_${randomBytes(4).toString('hex')}`
}
