import { type JsonObject, type JsonValue, parseFastjson } from '../codec/fastjson.js'
import { shownJson } from '../codec/shown-json.js'
import { MessageError } from '../errors.js'

/** Bits of `perm` (`PermName`). */
const PERM_READ = 4
const PERM_WRITE = 2
/** More than any broker has; a route that says more is broken or hostile. */
const MAX_QUEUES_PER_BROKER = 65_535
/** Of all brokers together: few bytes can name more queues than there is memory for. */
const MAX_QUEUES_PER_TOPIC = 1_000_000

export const MASTER_ID = 0

/** How many queues a topic has on one broker. */
export interface QueueData {
  readonly brokerName: string
  readonly readQueueNums: number
  readonly writeQueueNums: number
  readonly perm: number
}

/** The addresses of one broker name; id 0 is the master. */
export interface BrokerData {
  readonly cluster: string
  readonly brokerName: string
  readonly brokerAddrs: ReadonlyMap<number, string>
}

/** What a NameServer knows of a topic (`TopicRouteData`). */
export interface TopicRouteData {
  readonly orderTopicConf: string | undefined
  readonly queueDatas: readonly QueueData[]
  readonly brokerDatas: readonly BrokerData[]
}

export function isReadable(perm: number): boolean {
  return (perm & PERM_READ) !== 0
}

export function isWritable(perm: number): boolean {
  return (perm & PERM_WRITE) !== 0
}

/**
 * Reads the body of a route answer. Queues and brokers come out sorted by name, so that equal routes are equal.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`, naming the member that is wrong.
 */
export function parseTopicRouteData(body: Buffer): TopicRouteData {
  const root = object(parseFastjson(body.toString('utf8')), 'route')
  const queueDatas = list(root.queueDatas, 'queueDatas').map(queueData).sort(byBrokerName)
  checkTotal(
    queueDatas.map((data) => Math.max(data.readQueueNums, data.writeQueueNums)),
    'queueDatas',
  )
  const orderTopicConf = typeof root.orderTopicConf === 'string' ? root.orderTopicConf : ''
  checkTotal(
    parseOrderTopicConf(orderTopicConf).map(({ count }) => count),
    'orderTopicConf',
  )
  return {
    orderTopicConf: orderTopicConf === '' ? undefined : orderTopicConf,
    queueDatas,
    brokerDatas: list(root.brokerDatas, 'brokerDatas').map(brokerData).sort(byBrokerName),
  }
}

/** Reads `broker-a:4;broker-b:4`: the brokers of an ordered topic and how many queues it has on each. Parts that say nothing are left out. */
export function parseOrderTopicConf(orderTopicConf: string): { brokerName: string; count: number }[] {
  return orderTopicConf.split(';').flatMap((part) => {
    const [brokerName = '', count = ''] = part.split(':')
    return brokerName === '' || !/^\d{1,5}$/.test(count) ? [] : [{ brokerName, count: Number(count) }]
  })
}

/** Text that is equal for equal routes. */
export function routeFingerprint(data: TopicRouteData): string {
  const brokers = data.brokerDatas.map((broker) => [broker.brokerName, broker.cluster, [...broker.brokerAddrs]])
  return JSON.stringify([data.orderTopicConf, data.queueDatas, brokers])
}

function queueData(value: JsonValue, index: number): QueueData {
  const path = `queueDatas[${index}]`
  const data = object(value, path)
  return {
    brokerName: text(data.brokerName, `${path}.brokerName`),
    readQueueNums: queueCount(data.readQueueNums, `${path}.readQueueNums`),
    writeQueueNums: queueCount(data.writeQueueNums, `${path}.writeQueueNums`),
    perm: integer(data.perm, `${path}.perm`),
  }
}

function brokerData(value: JsonValue, index: number): BrokerData {
  const path = `brokerDatas[${index}]`
  const data = object(value, path)
  const addresses = isAbsent(data.brokerAddrs) ? {} : object(data.brokerAddrs, `${path}.brokerAddrs`)
  const brokerAddrs = new Map<number, string>()
  for (const id of Object.keys(addresses).sort((a, b) => Number(a) - Number(b))) {
    const address = addresses[id]
    // A broker that is just leaving may stand there without an address.
    if (typeof address !== 'string' || address === '' || address === 'null') continue
    if (!/^\d{1,15}$/.test(id)) throw wrong(`${path}.brokerAddrs`, id, 'numeric broker ids')
    brokerAddrs.set(Number(id), address)
  }
  const cluster = data.cluster
  return {
    cluster: typeof cluster === 'string' ? cluster : '',
    brokerName: text(data.brokerName, `${path}.brokerName`),
    brokerAddrs,
  }
}

function byBrokerName(a: { brokerName: string }, b: { brokerName: string }): number {
  return a.brokerName < b.brokerName ? -1 : a.brokerName > b.brokerName ? 1 : 0
}

function object(value: JsonValue | undefined, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== null)
    throw wrong(path, value, 'an object')
  return value as JsonObject
}

function isAbsent(value: JsonValue | undefined): value is undefined | null {
  return value === undefined || value === null
}

function list(value: JsonValue | undefined, path: string): JsonValue[] {
  if (isAbsent(value)) return []
  if (!Array.isArray(value)) throw wrong(path, value, 'a list')
  return value
}

function text(value: JsonValue | undefined, path: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(path, value, 'a name')
  return value
}

function integer(value: JsonValue | undefined, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(path, value, 'an integer')
  return value
}

function queueCount(value: JsonValue | undefined, path: string): number {
  const count = integer(value, path)
  if (count < 0 || count > MAX_QUEUES_PER_BROKER) throw wrong(path, value, `0 to ${MAX_QUEUES_PER_BROKER}`)
  return count
}

function checkTotal(counts: readonly number[], path: string): void {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total > MAX_QUEUES_PER_TOPIC) throw wrong(path, total, `at most ${MAX_QUEUES_PER_TOPIC} queues`)
}

function wrong(path: string, value: unknown, expected: string): MessageError {
  return new MessageError('JSON_MALFORMED', `${path} of a route is ${shownJson(value)}, ${expected} expected`)
}
