import { createHmac } from 'node:crypto'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'
import type { Credentials } from './cluster-types.js'

const GET_ROUTEINFO_BY_TOPIC = 105
const GET_BROKER_CLUSTER_INFO = 106
const UPDATE_BROKER_CONFIG = 25
const GET_BROKER_RUNTIME_INFO = 28
const POLL_INTERVAL = 100

export interface ProbeOptions {
  /** For connect and answer together, in milliseconds. Default 15000. */
  readonly timeout?: number
  readonly tls?: tls.ConnectionOptions | undefined
  /** Signs the request. */
  readonly credentials?: Credentials | undefined
}

let defaults: Pick<ProbeOptions, 'tls' | 'credentials'> = {}

/** How servers are reached where a call does not say: for a cluster that all tests of a file share. */
export function setProbeDefaults(options: Pick<ProbeOptions, 'tls' | 'credentials'>): void {
  defaults = options
}

export interface ProbeRequest {
  readonly code: number
  readonly fields?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface ProbeAnswer {
  readonly code: number
  readonly remark: string
  readonly body: string
}

export interface ClusterInfo {
  /** Broker name, then broker id, then address. */
  readonly brokers: ReadonlyMap<string, ReadonlyMap<number, string>>
  readonly clusterNames: readonly string[]
}

/**
 * Sends one request on a connection of its own and waits for the answer.
 *
 * Written apart from the client under test, so that a fault of the client can't hide a server that isn't ready.
 */
export function probe(address: string, request: ProbeRequest, options: ProbeOptions = {}): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const { credentials = defaults.credentials } = options
    const socket = connect(address, options, () => socket.write(encode(request, credentials)))
    let received = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 4 || received.length < 4 + received.readUInt32BE(0)) return
      socket.destroy()
      try {
        resolve(decode(received))
      } catch (error) {
        reject(error)
      }
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`${address} closed the connection before it answered`)))
  })
}

/** Whether a server accepts connections. */
export function canConnect(address: string, options: ProbeOptions = {}): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address, options, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

/** The brokers that a NameServer knows. */
export async function clusterInfo(nameServer: string, options: ProbeOptions = {}): Promise<ClusterInfo> {
  const answer = await expectSuccess(nameServer, { code: GET_BROKER_CLUSTER_INFO }, options)
  const info = parseLenient(answer.body) as {
    brokerAddrTable?: Record<string, { brokerAddrs?: Record<string, string> }>
    clusterAddrTable?: Record<string, string[]>
  }
  const brokers = new Map<string, Map<number, string>>()
  for (const [name, broker] of Object.entries(info.brokerAddrTable ?? {})) {
    brokers.set(name, new Map(Object.entries(broker.brokerAddrs ?? {}).map(([id, address]) => [Number(id), address])))
  }
  return { brokers, clusterNames: Object.keys(info.clusterAddrTable ?? {}) }
}

/** The names of the brokers that hold a topic; undefined when the NameServer knows no such topic. */
export async function topicBrokers(
  nameServer: string,
  topic: string,
  options: ProbeOptions = {},
): Promise<string[] | undefined> {
  const answer = await probe(nameServer, { code: GET_ROUTEINFO_BY_TOPIC, fields: { topic } }, options)
  if (answer.code !== 0) return undefined
  const route = parseLenient(answer.body) as { queueDatas?: { brokerName: string }[] }
  return (route.queueDatas ?? []).map((queues) => queues.brokerName).sort()
}

/**
 * The version that a broker says it is, such as `5.4.0`.
 *
 * A broker refuses the question until it has taken its first sample of statistics, about a second after its start.
 *
 * @param patience - How long to ask again, in milliseconds. Default 15000.
 * @throws Error when it doesn't say by then; a version is never guessed.
 */
export async function brokerVersion(broker: string, options: ProbeOptions = {}, patience = 15_000): Promise<string> {
  const deadline = Date.now() + patience
  for (;;) {
    try {
      const answer = await expectSuccess(broker, { code: GET_BROKER_RUNTIME_INFO }, options)
      const version = /"brokerVersionDesc":"V(\d+_\d+_\d+)/.exec(answer.body)?.[1]
      if (version !== undefined) return version.replaceAll('_', '.')
      throw new Error(`${broker} does not name its version in its runtime info`)
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await delay(POLL_INTERVAL)
  }
}

/**
 * Makes a broker register with its NameServers at once.
 *
 * A first registration can lose a race with the broker's own scan of its NameServers and then comes 10 seconds late.
 * An update of the permission, even to the same value, registers right away.
 */
export async function registerNow(broker: string, permission: string, options: ProbeOptions = {}): Promise<void> {
  await expectSuccess(broker, { code: UPDATE_BROKER_CONFIG, body: `brokerPermission=${permission}\n` }, options)
}

function connect(address: string, options: ProbeOptions, connected: () => void): net.Socket {
  const { host, port } = splitAddress(address)
  const { tls: encryption = defaults.tls } = options
  const socket =
    encryption === undefined
      ? net.connect({ host, port }, connected)
      : tls.connect({ host, port, ...encryption }, connected)
  const deadline = setTimeout(
    () => socket.destroy(new Error(`${address} did not answer in time`)),
    options.timeout ?? 15_000,
  )
  socket.once('close', () => clearTimeout(deadline))
  return socket
}

function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  const port = Number(address.slice(colon + 1))
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`"${address}" is no address: write host:port`)
  }
  const host = address.slice(0, colon)
  return { host: host.startsWith('[') ? host.slice(1, -1) : host, port }
}

async function expectSuccess(address: string, request: ProbeRequest, options: ProbeOptions): Promise<ProbeAnswer> {
  const answer = await probe(address, request, options)
  if (answer.code !== 0) {
    throw new Error(`${address} answered request ${request.code} with code ${answer.code}: ${answer.remark}`)
  }
  return answer
}

function encode(request: ProbeRequest, credentials: Credentials | undefined): Buffer {
  const body = Buffer.from(request.body ?? '')
  const extFields = credentials === undefined ? (request.fields ?? {}) : sign(request.fields ?? {}, body, credentials)
  const header = Buffer.from(
    JSON.stringify({ code: request.code, language: 'JAVA', version: 453, opaque: 1, flag: 0, extFields }),
  )
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32BE(4 + header.length + body.length, 0)
  lengths.writeUInt32BE(header.length, 4)
  return Buffer.concat([lengths, header, body])
}

function sign(
  fields: Readonly<Record<string, string>>,
  body: Buffer,
  credentials: Credentials,
): Record<string, string> {
  const signed: Record<string, string> = { ...fields, AccessKey: credentials.accessKey }
  const values = Object.keys(signed)
    .sort()
    .map((key) => signed[key])
  const signature = createHmac('sha1', credentials.secretKey).update(values.join('')).update(body).digest('base64')
  return { ...signed, Signature: signature }
}

function decode(frame: Buffer): ProbeAnswer {
  const end = 4 + frame.readUInt32BE(0)
  const headerEnd = 8 + (frame.readUInt32BE(4) & 0xff_ffff)
  const header = JSON.parse(frame.toString('utf8', 8, headerEnd)) as { code: number; remark?: string }
  return { code: header.code, remark: header.remark ?? '', body: frame.toString('utf8', headerEnd, end) }
}

/** Servers print maps with numeric keys unquoted: `{0:"127.0.0.1:10911"}`. */
function parseLenient(text: string): unknown {
  return JSON.parse(text.replace(/([{,])\s*(\d+)\s*:/g, '$1"$2":'))
}
