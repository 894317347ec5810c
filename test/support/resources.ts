/** What keeps a process alive and what a client of this package uses of it. */
const KINDS: ReadonlySet<string> = new Set([
  'TCPSocketWrap',
  'TCPConnectWrap',
  'TCPServerWrap',
  'Timeout',
  'GetAddrInfoReqWrap',
])

/** The sockets, servers and timers of this process that keep it alive, counted by kind: `'TCPSocketWrap 2, Timeout 1'`. */
export function activeResources(): string {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (KINDS.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return [...counts]
    .map(([kind, count]) => `${kind} ${count}`)
    .sort()
    .join(', ')
}
