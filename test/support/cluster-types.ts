import type { ConnectionOptions } from 'node:tls'
import type { ProxySettings } from './broker-config.js'

/** Where a cluster comes from: one that runs already, containers, or JVMs started from the published jars. */
export type ClusterRoute = 'external' | 'docker' | 'java'

export type BrokerRole = 'ASYNC_MASTER' | 'SYNC_MASTER' | 'SLAVE'

export interface BrokerSpec {
  readonly name: string
  /** 0 is the master. Default 0. */
  readonly id?: number
  /** Default `ASYNC_MASTER` for id 0, else `SLAVE`. */
  readonly role?: BrokerRole
  /** Broker settings, stronger than those of the cluster. */
  readonly config?: Readonly<Record<string, string>>
}

export interface Credentials {
  readonly accessKey: string
  readonly secretKey: string
}

export interface ClusterOptions {
  /** Default: `ROCKETMQ_VERSION`, else 5.5.0. */
  readonly version?: string
  /** Default: `ROCKETMQ_CLUSTER`, else the first of external, docker and java that works. */
  readonly route?: ClusterRoute
  /** How many NameServers. Default 1; more need the route `java`. */
  readonly nameServers?: number
  /** Default: one master, `broker-a`. More than one broker needs the route `java`. */
  readonly brokers?: readonly BrokerSpec[]
  /** Settings of all brokers. */
  readonly config?: Readonly<Record<string, string>>
  /** Settings of all NameServers. */
  readonly nameServerConfig?: Readonly<Record<string, string>>
  /** Route `java` only, from 5.1.0 on: a proxy in cluster mode beside them, with these settings. Default: none. */
  readonly proxy?: ProxySettings
  /** Route `java` only: more JVM options for every server, for example `-Dtls.server.mode=enforcing`. */
  readonly jvmOptions?: readonly string[]
  /** Route `java` only: files below every server's `rocketmq.home.dir`, by relative path, for example `conf/plain_acl.yml`. */
  readonly files?: Readonly<Record<string, string>>
  /** Route `java` only, from 5.x on: the address of this machine that the servers listen on and advertise. Default: 127.0.0.1. */
  readonly host?: string
  /** Signs the start-up's own requests to brokers that check who calls. */
  readonly credentials?: Credentials
  /** Makes the start-up's own requests over TLS. */
  readonly tls?: ConnectionOptions
  /** Is told which route was taken and what is going on. Default: standard error. */
  readonly log?: (line: string) => void
}

/** One server of a cluster. Control of single servers works on the route `java` and throws on the others. */
export interface ClusterNode {
  /** `namesrv-1`, `namesrv-2`...; `proxy`; the broker's name for id 0, else `name:id`. */
  readonly name: string
  /** `host:port` as clients see it. */
  readonly address: string
  /** Undefined while the server doesn't run. */
  readonly pid: number | undefined
  /** Freezes the process (SIGSTOP): connections stay open and nothing answers. */
  pause(): void
  /** Ends a pause (SIGCONT). */
  resume(): void
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL after 15 seconds; resolves when the process is gone. */
  stop(): Promise<void>
  /** Starts the server again with the same ports, store and settings, after a stop when it still runs; resolves when it is ready. */
  restart(): Promise<void>
  /** The last lines of what the server logged. Default 40. */
  logTail(lines?: number): string
}

export interface Cluster extends AsyncDisposable {
  readonly route: ClusterRoute
  /** The servers' version; `unknown` for an external cluster that doesn't say. */
  readonly version: string
  /** `host:port`, several separated by `;`. */
  readonly namesrvAddr: string
  readonly clusterName: string
  readonly nameServers: readonly ClusterNode[]
  readonly brokers: readonly ClusterNode[]
  /** The proxy, if one was asked for; its address is that of its remoting port. */
  readonly proxy: ClusterNode | undefined
  /** @throws Error when no broker has that node name. */
  broker(name: string): ClusterNode
  /** Ends the servers and removes their files; an external cluster is left alone. */
  stop(): Promise<void>
}

export interface ResolvedBroker {
  readonly name: string
  readonly id: number
  readonly role: BrokerRole
  readonly config: Readonly<Record<string, string>>
}

/** {@link ClusterOptions} with every default filled in: what a route gets. */
export interface ClusterRequest {
  readonly version: string
  readonly nameServers: number
  readonly brokers: readonly ResolvedBroker[]
  readonly config: Readonly<Record<string, string>>
  readonly nameServerConfig: Readonly<Record<string, string>>
  readonly proxy: ProxySettings | undefined
  readonly jvmOptions: readonly string[]
  readonly files: Readonly<Record<string, string>>
  readonly host: string
  readonly credentials: Credentials | undefined
  readonly tls: ConnectionOptions | undefined
  readonly log: (line: string) => void
}

/** The node name of a broker. */
export function nodeName(broker: { readonly name: string; readonly id: number }): string {
  return broker.id === 0 ? broker.name : `${broker.name}:${broker.id}`
}

/** The node of that name. @throws Error that lists the names there are. */
export function findNode<Node extends ClusterNode>(nodes: readonly Node[], name: string): Node {
  const node = nodes.find((candidate) => candidate.name === name)
  if (node !== undefined) return node
  throw new Error(
    `no broker "${name}" in this cluster; there are: ${nodes.map((candidate) => candidate.name).join(', ')}`,
  )
}
