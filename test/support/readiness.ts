import { setTimeout as delay } from 'node:timers/promises'
import { canConnect, clusterInfo, type ProbeOptions, registerNow, topicBrokers } from './remoting-probe.js'

const POLL_INTERVAL = 100
const KICK_INTERVAL = 700
/** For one question, in milliseconds: who is not ready may leave it without an answer, and is asked again. */
const CALL_TIMEOUT = 1_500

export interface ExpectedBroker {
  readonly name: string
  readonly id: number
  readonly address: string
  /** The value of `brokerPermission`; default 6, read and write. */
  readonly permission?: string | undefined
}

export interface ReadinessOptions extends Pick<ProbeOptions, 'tls' | 'credentials'> {
  readonly nameServers: readonly string[]
  readonly brokers: readonly ExpectedBroker[]
  /** In milliseconds. Default 120000. */
  readonly timeout?: number
  /** Called before every try; ends the wait by throwing, for example because a server died. */
  readonly check?: () => void
}

/**
 * Waits until every NameServer lists every broker under its address and every broker accepts connections.
 *
 * A server's own "boot success" is no proof: it comes before the registration has reached the NameServers.
 *
 * @throws Error that says what was still missing at the end.
 */
export async function waitUntilReady(options: ReadinessOptions): Promise<void> {
  const deadline = Date.now() + (options.timeout ?? 120_000)
  let lastKick = 0
  for (;;) {
    options.check?.()
    const missing = await whatIsMissing(options)
    if (missing === undefined) return
    if (Date.now() > deadline) throw new Error(`not ready in time: ${missing}`)
    if (Date.now() - lastKick > KICK_INTERVAL) {
      lastKick = Date.now()
      await kick(options)
    }
    await delay(POLL_INTERVAL)
  }
}

/**
 * Waits until a proxy gives a topic's route.
 *
 * @param options - `check` is called before every try; it ends the wait by throwing.
 */
export async function waitUntilRoutes(
  proxy: string,
  topic: string,
  { check, timeout = 120_000, tls, credentials }: Omit<ReadinessOptions, 'nameServers' | 'brokers'>,
): Promise<void> {
  const deadline = Date.now() + timeout
  for (;;) {
    check?.()
    const brokers = await topicBrokers(proxy, topic, { timeout: CALL_TIMEOUT, tls, credentials }).catch(() => undefined)
    if (brokers !== undefined && brokers.length > 0) return
    if (Date.now() > deadline) throw new Error(`the proxy at ${proxy} gives no route of topic ${topic}`)
    await delay(POLL_INTERVAL)
  }
}

async function whatIsMissing(options: ReadinessOptions): Promise<string | undefined> {
  for (const nameServer of options.nameServers) {
    try {
      const { brokers } = await clusterInfo(nameServer, callOptions(options))
      for (const broker of options.brokers) {
        if (brokers.get(broker.name)?.get(broker.id) !== broker.address) {
          return `NameServer ${nameServer} does not list ${broker.name}:${broker.id} at ${broker.address}`
        }
      }
    } catch (error) {
      return `NameServer ${nameServer}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  const open = await Promise.all(options.brokers.map((broker) => canConnect(broker.address, callOptions(options))))
  const closed = options.brokers[open.indexOf(false)]
  return closed === undefined
    ? undefined
    : `broker ${closed.name}:${closed.id} does not accept connections at ${closed.address}`
}

async function kick(options: ReadinessOptions): Promise<void> {
  // A broker that is still starting refuses the connection, and one that doesn't trust us the request: both are met again at the next try.
  await Promise.allSettled(
    options.brokers.map((broker) => registerNow(broker.address, broker.permission ?? '6', callOptions(options))),
  )
}

/** The limit of the whole wait is not that of one request. */
function callOptions({ tls, credentials }: ReadinessOptions): ProbeOptions {
  return { tls, credentials, timeout: CALL_TIMEOUT }
}
