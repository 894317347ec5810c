import net from 'node:net'

const LOWEST = 20_000
/** Below the range from which Linux and macOS pick the local ports of outgoing connections. */
const HIGHEST = 32_000
const MAX_TRIES = 500

/** A broker listens on its port, on port - 2 for clients of the "VIP" channel, and on port + 1 for its slaves. */
export const BROKER_PORT_OFFSETS: readonly number[] = [0, -2, 1]

/** What a server prints whose port another process took first. */
export const PORT_TAKEN = /BindException|Address already in use/

export interface PortSource {
  /** Whether nobody listens on a port of this machine. */
  isFree(port: number): Promise<boolean>
  /** As `Math.random`. */
  random(): number
}

/** The ports of this machine. */
export const machinePorts: PortSource = { isFree: isPortFree, random: Math.random }

/** Ports that this process has handed out and whose servers may not listen yet. */
const handedOut = new Set<number>()

export interface ClusterPorts {
  readonly nameServers: readonly number[]
  readonly brokers: readonly number[]
}

/**
 * Chooses free ports at random for a whole cluster.
 *
 * Another process may still take one before its server starts, so that a start must be ready to try again.
 *
 * @throws Error when hardly any port is free.
 */
export async function chooseClusterPorts(
  nameServers: number,
  brokers: number,
  source: PortSource = machinePorts,
  taken: Set<number> = handedOut,
): Promise<ClusterPorts> {
  const ports = { nameServers: [] as number[], brokers: [] as number[] }
  for (let i = 0; i < nameServers; i++) ports.nameServers.push(await choosePort([0], source, taken))
  for (let i = 0; i < brokers; i++) ports.brokers.push(await choosePort(BROKER_PORT_OFFSETS, source, taken))
  return ports
}

async function choosePort(offsets: readonly number[], source: PortSource, taken: Set<number>): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const port = LOWEST + Math.floor(source.random() * (HIGHEST - LOWEST))
    const all = offsets.map((offset) => port + offset)
    if (all.some((candidate) => taken.has(candidate))) continue
    const free = await Promise.all(all.map((candidate) => source.isFree(candidate)))
    if (free.includes(false)) continue
    for (const candidate of all) taken.add(candidate)
    return port
  }
  throw new Error(
    `found no free port between ${LOWEST} and ${HIGHEST} in ${MAX_TRIES} tries: end some of the servers on this machine`,
  )
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    // Without a host this asks for all addresses, as the replication port of a broker does.
    server.listen(port, () => server.close(() => resolve(true)))
  })
}
