/** Whether a server is of this version or a newer one; one that does not say its version is taken for the newest. */
export function isAtLeast(version: string, minimum: string): boolean {
  if (!/^\d/.test(version)) return true
  const own = version.split('.').map(Number)
  for (const [i, part] of minimum.split('.').map(Number).entries()) {
    const difference = (own[i] ?? 0) - part
    if (difference !== 0) return difference > 0
  }
  return true
}
