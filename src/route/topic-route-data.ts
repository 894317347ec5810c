import { type JsonValue, parseFastjson } from '../codec/fastjson.js'
import { isAbsent, JsonChecks } from '../codec/json-value.js'
import { logicQueueCounts, readTopicQueueMappings, type TopicQueueMapping } from './static-topic.js'

/** Bits of `perm` (`PermName`). */
const PERM_READ = 4
const PERM_WRITE = 2
/** More than any broker has; a route that says more is broken or hostile. */
const MAX_QUEUES_PER_BROKER = 65_535
/** Of all brokers together: few bytes can name more queues than there is memory for. */
const MAX_QUEUES_PER_TOPIC = 200_000
/** Addresses of all brokers of a topic together: to each there will be a connection. */
const MAX_ADDRESSES_PER_TOPIC = 10_000

export const MASTER_ID = 0

const checks = new JsonChecks('a route')

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
  /** Where the queues of a static topic lie; empty for other topics. */
  readonly topicQueueMappings: readonly TopicQueueMapping[]
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
  const root = checks.object(parseFastjson(body.toString('utf8')), 'route')
  const queueDatas = checks.list(root.queueDatas, 'queueDatas').map(queueData).sort(byBrokerName)
  checkTotal(
    queueDatas.map((data) => Math.max(data.readQueueNums, data.writeQueueNums)),
    'queueDatas',
  )
  const orderTopicConf = typeof root.orderTopicConf === 'string' ? root.orderTopicConf : ''
  checkTotal(
    parseOrderTopicConf(orderTopicConf).map(({ count }) => count),
    'orderTopicConf',
  )
  const topicQueueMappings = readTopicQueueMappings(root.topicQueueMappingByBroker, checks)
  for (const { totalQueues } of topicQueueMappings) checkTotal([totalQueues], 'topicQueueMappingByBroker')
  checkTotal(logicQueueCounts(topicQueueMappings), 'topicQueueMappingByBroker')
  const brokerDatas = checks.list(root.brokerDatas, 'brokerDatas').map(brokerData).sort(byBrokerName)
  const addresses = brokerDatas.reduce((sum, { brokerAddrs }) => sum + brokerAddrs.size, 0)
  if (addresses > MAX_ADDRESSES_PER_TOPIC)
    throw checks.fault('brokerDatas', addresses, `at most ${MAX_ADDRESSES_PER_TOPIC} addresses`)
  return {
    orderTopicConf: orderTopicConf === '' ? undefined : orderTopicConf,
    queueDatas,
    brokerDatas,
    topicQueueMappings,
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
  return JSON.stringify([data.orderTopicConf, data.queueDatas, brokers, data.topicQueueMappings])
}

function queueData(value: JsonValue, index: number): QueueData {
  const path = `queueDatas[${index}]`
  const data = checks.object(value, path)
  return {
    brokerName: checks.text(data.brokerName, `${path}.brokerName`),
    readQueueNums: queueCount(data.readQueueNums, `${path}.readQueueNums`),
    writeQueueNums: queueCount(data.writeQueueNums, `${path}.writeQueueNums`),
    perm: checks.integer(data.perm, `${path}.perm`),
  }
}

function brokerData(value: JsonValue, index: number): BrokerData {
  const path = `brokerDatas[${index}]`
  const data = checks.object(value, path)
  const addresses = isAbsent(data.brokerAddrs) ? {} : checks.object(data.brokerAddrs, `${path}.brokerAddrs`)
  const brokerAddrs = new Map<number, string>()
  for (const id of Object.keys(addresses).sort((a, b) => Number(a) - Number(b))) {
    const address = addresses[id]
    // A broker that is just leaving may stand there without an address.
    if (typeof address !== 'string' || address === '' || address === 'null') continue
    if (!/^\d{1,15}$/.test(id)) throw checks.fault(`${path}.brokerAddrs`, id, 'numeric broker ids')
    brokerAddrs.set(Number(id), address)
  }
  const cluster = data.cluster
  return {
    cluster: typeof cluster === 'string' ? cluster : '',
    brokerName: checks.text(data.brokerName, `${path}.brokerName`),
    brokerAddrs,
  }
}

function byBrokerName(a: { brokerName: string }, b: { brokerName: string }): number {
  return a.brokerName < b.brokerName ? -1 : a.brokerName > b.brokerName ? 1 : 0
}

function queueCount(value: JsonValue | undefined, path: string): number {
  const count = checks.integer(value, path)
  if (count < 0 || count > MAX_QUEUES_PER_BROKER) throw checks.fault(path, value, `0 to ${MAX_QUEUES_PER_BROKER}`)
  return count
}

function checkTotal(counts: readonly number[], path: string): void {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total > MAX_QUEUES_PER_TOPIC || total < 0)
    throw checks.fault(path, total, `at most ${MAX_QUEUES_PER_TOPIC} queues`)
}
