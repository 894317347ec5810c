/** How many tests passed, failed and were skipped. @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @returns {Counts} */
export function sum(list) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const counts of list) for (const key of Object.keys(total)) total[key] += counts[key]
  return total
}

/** A step that is no test run: one passed or one failed. */
export function oneOf(isGood) {
  return { passed: isGood ? 1 : 0, failed: isGood ? 0 : 1, skipped: 0 }
}

export function format({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}

/** The counts in the last line of what a test run printed; undefined when that line is something else. */
export function parseLastLine(output) {
  const match = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(output.trimEnd().split('\n').at(-1) ?? '')
  if (match === null) return undefined
  const [, passed, failed, skipped] = match.map(Number)
  return { passed, failed, skipped }
}
