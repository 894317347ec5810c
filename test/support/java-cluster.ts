import { mkdtemp, rm } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { brokerSettings, clusterNameOf, nameServerSettings, proxySettings } from './broker-config.js'
import { type Cluster, type ClusterRequest, findNode, nodeName, type ResolvedBroker } from './cluster-types.js'
import { ensureJars, hasJars, type JarSet } from './jars.js'
import { requireJava } from './java-home.js'
import { JavaNode } from './java-node.js'
import {
  type JavaServer,
  type PropertiesServer,
  prepareHome,
  prepareServer,
  serverArguments,
  serverEnvironment,
} from './java-server.js'
import { chooseClusterPorts, PORT_TAKEN } from './ports.js'
import { ServerProcess } from './process.js'
import { ProcessGuard } from './process-guard.js'
import { waitUntilReady, waitUntilRoutes } from './readiness.js'

const MAX_STARTS = 3
const ERROR_TAIL = 15

/**
 * Starts NameServers and brokers as JVMs of this machine, from the jars that Maven Central publishes.
 *
 * @throws Error when Java 17 or Maven is missing, or when the servers aren't ready after 120 seconds, with the ends of their logs.
 */
export async function startJavaCluster(request: ClusterRequest): Promise<Cluster> {
  if (process.platform === 'win32') {
    throw new Error('the route java needs a POSIX system: use Docker, or set ROCKETMQ_NAMESRV to a running cluster')
  }
  const [java, lib, proxyLib] = await Promise.all([
    requireJava(),
    jarsOf(request, 'servers'),
    request.proxy === undefined ? undefined : jarsOf(request, 'proxy'),
  ])
  for (let starts = 1; ; starts++) {
    const cluster = await prepareCluster(request, java, lib, proxyLib)
    try {
      await cluster.start()
      return cluster
    } catch (error) {
      const taken = PORT_TAKEN.test(cluster.faults())
      await cluster.stop()
      if (!taken || starts === MAX_STARTS) throw error
      request.log('another process took one of the ports: starting again with others')
    }
  }
}

function addressOf(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

function jarsOf({ version, log }: ClusterRequest, set: JarSet): Promise<string> {
  if (!hasJars(version, set)) log(`fetching the jars of RocketMQ ${version} (${set}) with Maven`)
  return ensureJars(version, set)
}

async function prepareCluster(
  request: ClusterRequest,
  java: string,
  lib: string,
  proxyLib: string | undefined,
): Promise<JavaCluster> {
  const ports = await chooseClusterPorts(request.nameServers, request.brokers.length)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-cluster-'))
  const cluster = new JavaCluster(request, folder)
  const home = path.join(folder, 'home')
  const common = { home, lib, version: request.version, jvmOptions: request.jvmOptions }
  const { host } = request
  const namesrvAddr = ports.nameServers.map((port) => addressOf(host, port)).join(';')

  await prepareHome(home, request.version, request.files)
  for (const [index, port] of ports.nameServers.entries()) {
    const name = `namesrv-${index + 1}`
    const own = path.join(folder, name)
    const place = { port, bindAddress: host, kvConfigPath: path.join(own, 'kvConfig.json') }
    const settings = nameServerSettings(request, place)
    await cluster.addNameServer(name, java, { ...common, kind: 'namesrv', folder: own, settings }, port)
  }
  for (const [index, port] of ports.brokers.entries()) {
    const broker = request.brokers[index]
    if (broker === undefined) continue
    // A colon separates the folders of a class path.
    const own = path.join(folder, nodeName(broker).replace(':', '-'))
    const place = { host, port, namesrvAddr, bindAddress: host, storeFolder: path.join(own, 'store') }
    const settings = brokerSettings(request, broker, place)
    await cluster.addBroker(broker, java, { ...common, kind: 'broker', folder: own, settings }, port)
  }
  if (request.proxy !== undefined && proxyLib !== undefined) {
    const own = path.join(folder, 'proxy')
    const [remotingPort = 0, grpcPort = 0] = (await chooseClusterPorts(2, 0)).nameServers
    const settings = proxySettings(request, { host, remotingPort, grpcPort, namesrvAddr }, request.proxy)
    await cluster.addProxy(java, { ...common, lib: proxyLib, kind: 'proxy', folder: own, settings }, remotingPort)
  }
  return cluster
}

class JavaCluster implements Cluster {
  readonly route = 'java'
  readonly version: string
  readonly clusterName: string
  readonly nameServers: JavaNode[] = []
  readonly brokers: JavaNode[] = []
  proxy: JavaNode | undefined
  readonly #request: ClusterRequest
  readonly #folder: string
  readonly #guard: ProcessGuard

  constructor(request: ClusterRequest, folder: string) {
    this.version = request.version
    this.clusterName = clusterNameOf(request)
    this.#request = request
    this.#folder = folder
    this.#guard = new ProcessGuard(folder)
  }

  get namesrvAddr(): string {
    return this.nameServers.map((node) => node.address).join(';')
  }

  get #nodes(): JavaNode[] {
    return [...this.nameServers, ...this.brokers, ...(this.proxy === undefined ? [] : [this.proxy])]
  }

  async addNameServer(name: string, java: string, server: JavaServer, port: number): Promise<void> {
    const child = await this.#prepare(name, java, server)
    this.nameServers.push(new JavaNode(child, addressOf(this.#request.host, port), undefined, () => this.#whenReady()))
  }

  async addBroker(broker: ResolvedBroker, java: string, server: PropertiesServer, port: number): Promise<void> {
    const child = await this.#prepare(nodeName(broker), java, server)
    // Brokers advertise IPv6 without brackets.
    const address = `${this.#request.host}:${port}`
    const expected = { name: broker.name, id: broker.id, address, permission: server.settings.brokerPermission }
    this.brokers.push(new JavaNode(child, address, expected, () => this.#whenReady()))
  }

  async addProxy(java: string, server: JavaServer, port: number): Promise<void> {
    const child = await this.#prepare('proxy', java, server)
    this.proxy = new JavaNode(child, addressOf(this.#request.host, port), undefined, () => this.#whenReady())
  }

  async #prepare(name: string, java: string, server: JavaServer): Promise<ServerProcess> {
    await prepareServer(server)
    return new ServerProcess({
      name,
      command: java,
      args: serverArguments(server),
      cwd: server.folder,
      env: serverEnvironment(),
      logFile: path.join(server.folder, 'server.log'),
      guard: this.#guard,
    })
  }

  /** NameServers and brokers start at the same time: a broker waits for its NameServers by itself. A proxy ends when it finds no broker. */
  async start(): Promise<void> {
    for (const node of [...this.nameServers, ...this.brokers]) node.start()
    await this.#whenReady()
    if (this.proxy === undefined) return
    this.proxy.start()
    await this.#whenReady()
  }

  /** Waits for what runs now; a server that was killed or paused on purpose is not waited for. */
  async #whenReady(): Promise<void> {
    const answering = this.#nodes.filter((node) => node.isAnswering)
    const check = () => {
      const dead = answering.find((node) => !node.isRunning)
      if (dead !== undefined) throw new Error(`${dead.name} (${dead.address}) ended while starting: ${dead.end}`)
    }
    const { credentials, tls } = this.#request
    const [{ name: topic = '' } = {}] = this.#request.brokers
    try {
      await waitUntilReady({
        nameServers: this.nameServers.filter((node) => node.isAnswering).map((node) => node.address),
        brokers: answering.flatMap((node) => node.expected ?? []),
        credentials,
        tls,
        check,
      })
      // Each broker has a topic of its own name.
      if (this.proxy?.isAnswering === true)
        await waitUntilRoutes(this.proxy.address, topic, { check, credentials, tls })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(
        [`RocketMQ ${this.version} from jars: ${reason}`, ...this.#nodes.map((node) => this.#report(node))].join('\n'),
        {
          cause: error,
        },
      )
    }
  }

  /** What went wrong in the servers, as far as they logged it. */
  faults(): string {
    return this.#nodes.map((node) => node.logFaults()).join('\n')
  }

  #report(node: JavaNode): string {
    return `--- ${node.name} (${node.address}), errors in its log:\n${node.logFaults()}\n--- end of its log:\n${node.logTail(ERROR_TAIL)}`
  }

  broker(name: string): JavaNode {
    return findNode(this.brokers, name)
  }

  async stop(): Promise<void> {
    // The stores are thrown away, so that nobody needs the ten seconds of an orderly end.
    await Promise.all(this.#nodes.map((node) => node.kill()))
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
    this.#guard.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
