import type { ClusterRequest, ResolvedBroker } from './cluster-types.js'

export type Settings = Readonly<Record<string, string>>
/** Those of a proxy, which are JSON. */
export type ProxySettings = Readonly<Record<string, string | number | boolean>>

const DEFAULT_CLUSTER_NAME = 'DefaultCluster'

/** Small files, no pause before flow control, and none of the background work that a test doesn't look at. */
const BASE: Settings = {
  flushDiskType: 'ASYNC_FLUSH',
  autoCreateTopicEnable: 'true',
  autoCreateSubscriptionGroup: 'true',
  mappedFileSizeCommitLog: '16777216',
  mappedFileSizeConsumeQueue: '120000',
  mappedFileSizeTimerLog: '1048576',
  maxHashSlotNum: '10000',
  maxIndexNum: '40000',
  timerWheelEnable: 'false',
  enableCompaction: 'false',
  // A developer's disk is often fuller than the 75 % at which a broker starts to delete.
  diskMaxUsedSpaceRatio: '95',
  // A busy machine would otherwise make the broker refuse sends as SYSTEM_BUSY after 200 ms.
  waitTimeMillsInSendQueue: '5000',
  // 5.x keeps one core busy for this long after its start, 10 seconds by default.
  transactionMetricFlushInterval: '500',
}

/** The name of the cluster that the brokers belong to. */
export function clusterNameOf(request: Pick<ClusterRequest, 'config'>): string {
  return request.config.brokerClusterName ?? DEFAULT_CLUSTER_NAME
}

export interface BrokerPlace {
  /** The host that the NameServer hands to clients. */
  readonly host: string
  readonly port: number
  readonly namesrvAddr: string
  readonly storeFolder: string
  /** Only this address is listened on, from 5.x on. Default: all. */
  readonly bindAddress?: string
}

/** The settings of one broker: base, then the place, then the cluster's, then its own. */
export function brokerSettings(
  request: Pick<ClusterRequest, 'version' | 'config'>,
  broker: ResolvedBroker,
  place: BrokerPlace,
): Settings {
  return {
    ...BASE,
    brokerClusterName: clusterNameOf(request),
    brokerName: broker.name,
    brokerId: String(broker.id),
    brokerRole: broker.role,
    brokerIP1: place.host,
    brokerIP2: place.host,
    ...bindSetting(request.version, place.bindAddress),
    listenPort: String(place.port),
    namesrvAddr: place.namesrvAddr,
    storePathRootDir: place.storeFolder,
    storePathCommitLog: `${place.storeFolder}/commitlog`,
    ...request.config,
    ...broker.config,
  }
}

export interface NameServerPlace {
  readonly port: number
  readonly kvConfigPath: string
  /** Only this address is listened on, from 5.x on. Default: all. */
  readonly bindAddress?: string
}

/** The settings of one NameServer. */
export function nameServerSettings(
  request: Pick<ClusterRequest, 'version' | 'nameServerConfig'>,
  place: NameServerPlace,
): Settings {
  return {
    listenPort: String(place.port),
    kvConfigPath: place.kvConfigPath,
    ...bindSetting(request.version, place.bindAddress),
    ...request.nameServerConfig,
  }
}

export interface ProxyPlace {
  /** The host that its routes hand to clients. */
  readonly host: string
  readonly remotingPort: number
  readonly grpcPort: number
  readonly namesrvAddr: string
}

/** The settings of a proxy in cluster mode. */
export function proxySettings(
  request: Pick<ClusterRequest, 'config'>,
  place: ProxyPlace,
  own: ProxySettings,
): ProxySettings {
  const clusterName = clusterNameOf(request)
  return {
    rocketMQClusterName: clusterName,
    proxyClusterName: clusterName,
    proxyName: 'proxy-1',
    namesrvAddr: place.namesrvAddr,
    localServeAddr: place.host,
    remotingAccessAddr: place.host,
    remotingListenPort: place.remotingPort,
    grpcServerPort: place.grpcPort,
    grpcBossLoopNum: 1,
    grpcWorkerLoopNum: 2,
    grpcThreadPoolNums: 4,
    // Half messages are checked by members that the brokers know of, and the proxy tells them of its producers this often.
    transactionHeartbeatPeriodSecond: 1,
    // A topic that was not there stays so for this long.
    topicRouteServiceCacheRefreshSeconds: 1,
    topicRouteServiceCacheExpiredSeconds: 1,
    topicConfigCacheRefreshSeconds: 1,
    topicConfigCacheExpiredSeconds: 1,
    // Its answers say whether clients shall trace messages, not those of the brokers.
    traceOn: true,
    ...own,
  }
}

/** Writes settings as a Java properties file, which is ISO 8859-1 with escapes. */
export function renderProperties(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${escapeValue(value)}\n`)
    .join('')
}

/** Whether a version is 4.x, which knows no `bindAddress` and reads other log settings than 5.x. */
export function isVersion4(version: string): boolean {
  return version.startsWith('4.')
}

function bindSetting(version: string, bindAddress: string | undefined): Settings {
  return bindAddress === undefined || isVersion4(version) ? {} : { bindAddress }
}

function escapeValue(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replace(/^ /, '\\ ')
    .replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
