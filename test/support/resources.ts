/** What a client of this package uses and what would keep a process alive. */
const KINDS: ReadonlySet<string> = new Set([
  'TCPSocketWrap',
  'TCPConnectWrap',
  'TCPServerWrap',
  'Timeout',
  'GetAddrInfoReqWrap',
])

export type Resources = ReadonlyMap<string, number>

/** The sockets, servers and timers that keep this process alive, counted by kind. */
export function activeResources(): Resources {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (KINDS.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

/** Whether no kind of resource is there more often than it was. */
export function isNoMoreThan(before: Resources): boolean {
  return [...activeResources()].every(([kind, count]) => count <= (before.get(kind) ?? 0))
}
