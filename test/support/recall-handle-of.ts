/** A recall handle of these parts, as `RecallMessageHandle` of the Java client makes it. */
export function recallHandleOf(...parts: readonly (string | number)[]): string {
  const base64 = Buffer.from(parts.join(' ')).toString('base64')
  return base64.replaceAll('+', '-').replaceAll('/', '_')
}
