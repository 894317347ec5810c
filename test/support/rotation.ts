import { setInterval } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { type Credentials, DefaultProducer, type TlsOptions } from '../../src/index.js'
import { type AccessControl, ALLOWED_TOPIC, addUser, removeUser } from './access-control.js'
import type { Cluster } from './cluster.js'
import { uniqueName } from './names.js'
import { type ProbeOptions, probe } from './remoting-probe.js'
import { until } from './until.js'

export interface Rotation {
  readonly cluster: Cluster
  readonly access: AccessControl
  /** Sends to begin in a second. */
  readonly rate: number
  /** How often the credentials are replaced. */
  readonly count: number
  /** Sends that must follow after the old user is gone, each time. */
  readonly sendsAfter: number
  readonly tls?: { readonly client: TlsOptions; readonly probe: ProbeOptions['tls'] }
}

export interface RotationResult {
  readonly sent: number
  readonly seconds: number
  readonly failures: readonly unknown[]
}

/** So long the provider's answers last, in milliseconds: it is asked for the next ones a little before. */
const LIFE = 1_000
const TICK = 10
const DEADLINE = 60_000
const GET_MAX_OFFSET = 30

/**
 * Sends under load while the credentials are replaced as an operator does it: a new user is made, the provider hands it out, the old user is removed and refused, and
 * the sends go on, which only the new user's signature allows.
 */
export async function sendWhileRotating(rotation: Rotation): Promise<RotationResult> {
  const { cluster, access, rate, count, sendsAfter, tls } = rotation
  let current: Credentials = await addUser(access, cluster, tls?.probe)
  let handedOut: Credentials | undefined
  const producer = new DefaultProducer({
    producerGroup: uniqueName('pg'),
    namesrvAddr: cluster.namesrvAddr,
    // A busy machine is no failed send.
    sendTimeout: 30_000,
    requestTimeout: 30_000,
    maxInFlight: 4_096,
    credentials: () => {
      handedOut = current
      return { ...current, expiration: Date.now() + LIFE }
    },
    ...(tls !== undefined && { tls: tls.client }),
  })
  onTestFinished(() => producer.shutdown())
  await producer.start()

  const failures: unknown[] = []
  let sent = 0
  const load = new AbortController()
  const startedAt = performance.now()
  const loading = sendPaced(rate, load.signal, async () => {
    try {
      await producer.send({ topic: ALLOWED_TOPIC, body: 'x' })
      sent++
    } catch (error) {
      failures.push(error)
    }
  })
  const moreSent = (more: number) => {
    const goal = sent + more
    return until(() => sent >= goal || failures.length > 0, DEADLINE)
  }
  try {
    await moreSent(sendsAfter)
    for (let i = 0; i < count; i++) {
      const old = current
      const added = await addUser(access, cluster, tls?.probe)
      current = added
      await until(() => handedOut === added, DEADLINE)
      // Whatever is on its way with the old signature.
      await moreSent(rate / 2)
      await removeUser(access, cluster, old, tls?.probe)
      await until(() => isRefused(cluster, old, tls?.probe), DEADLINE)
      await moreSent(sendsAfter)
    }
  } finally {
    load.abort()
    await loading
  }
  return { sent, seconds: (performance.now() - startedAt) / 1000, failures }
}

/** Begins sends at a steady rate, as many as are due by the clock. Resolves when all have settled. */
async function sendPaced(rate: number, signal: AbortSignal, send: () => Promise<void>): Promise<void> {
  const underWay = new Set<Promise<void>>()
  const startedAt = performance.now()
  let begun = 0
  for await (const _ of setInterval(TICK)) {
    if (signal.aborted) break
    const due = ((performance.now() - startedAt) / 1000) * rate
    for (; begun < due; begun++) {
      const sending = send().finally(() => underWay.delete(sending))
      underWay.add(sending)
    }
  }
  await Promise.all(underWay)
}

async function isRefused(cluster: Cluster, credentials: Credentials, tls: ProbeOptions['tls']): Promise<boolean> {
  const fields = { topic: ALLOWED_TOPIC, queueId: '0' }
  for (const { address } of cluster.brokers) {
    const answer = await probe(address, { code: GET_MAX_OFFSET, fields }, { credentials, tls, timeout: 10_000 })
    if (answer.code === 0) return false
  }
  return true
}
