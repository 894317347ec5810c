import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { brokerSettings, clusterNameOf, nameServerSettings } from './broker-config.js'
import { type Cluster, type ClusterRequest, findNode, nodeName, type ResolvedBroker } from './cluster-types.js'
import { ensureJars, hasJars } from './jars.js'
import { requireJava } from './java-home.js'
import { JavaNode } from './java-node.js'
import { type JavaServer, prepareHome, prepareServer, serverArguments, serverEnvironment } from './java-server.js'
import { chooseClusterPorts, PORT_TAKEN } from './ports.js'
import { ServerProcess } from './process.js'
import { ProcessGuard } from './process-guard.js'
import { waitUntilReady } from './readiness.js'

const HOST = '127.0.0.1'
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
  if (!hasJars(request.version)) request.log(`fetching the jars of RocketMQ ${request.version} with Maven`)
  const [java, lib] = await Promise.all([requireJava(), ensureJars(request.version)])
  for (let starts = 1; ; starts++) {
    const cluster = await prepareCluster(request, java, lib)
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

async function prepareCluster(request: ClusterRequest, java: string, lib: string): Promise<JavaCluster> {
  const ports = await chooseClusterPorts(request.nameServers, request.brokers.length)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-cluster-'))
  const cluster = new JavaCluster(request, folder)
  const home = path.join(folder, 'home')
  const common = { home, lib, version: request.version, jvmOptions: request.jvmOptions }
  const namesrvAddr = ports.nameServers.map((port) => `${HOST}:${port}`).join(';')

  await prepareHome(home, request.version, request.files)
  for (const [index, port] of ports.nameServers.entries()) {
    const name = `namesrv-${index + 1}`
    const own = path.join(folder, name)
    const place = { port, bindAddress: HOST, kvConfigPath: path.join(own, 'kvConfig.json') }
    const settings = nameServerSettings(request, place)
    await cluster.addNameServer(name, java, { ...common, kind: 'namesrv', folder: own, settings }, port)
  }
  for (const [index, port] of ports.brokers.entries()) {
    const broker = request.brokers[index]
    if (broker === undefined) continue
    // A colon separates the folders of a class path.
    const own = path.join(folder, nodeName(broker).replace(':', '-'))
    const place = { host: HOST, port, namesrvAddr, bindAddress: HOST, storeFolder: path.join(own, 'store') }
    const settings = brokerSettings(request, broker, place)
    await cluster.addBroker(broker, java, { ...common, kind: 'broker', folder: own, settings }, port)
  }
  return cluster
}

class JavaCluster implements Cluster {
  readonly route = 'java'
  readonly version: string
  readonly clusterName: string
  readonly nameServers: JavaNode[] = []
  readonly brokers: JavaNode[] = []
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
    return [...this.nameServers, ...this.brokers]
  }

  async addNameServer(name: string, java: string, server: JavaServer, port: number): Promise<void> {
    const child = await this.#prepare(name, java, server)
    this.nameServers.push(new JavaNode(child, `${HOST}:${port}`, undefined, () => this.#whenReady()))
  }

  async addBroker(broker: ResolvedBroker, java: string, server: JavaServer, port: number): Promise<void> {
    const child = await this.#prepare(nodeName(broker), java, server)
    const address = `${HOST}:${port}`
    const expected = { name: broker.name, id: broker.id, address, permission: server.settings.brokerPermission }
    this.brokers.push(new JavaNode(child, address, expected, () => this.#whenReady()))
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

  /** All servers start at the same time: a broker waits for its NameServers by itself. */
  async start(): Promise<void> {
    for (const node of this.#nodes) node.start()
    await this.#whenReady()
  }

  /** Waits for what runs now; a server that was killed or paused on purpose is not waited for. */
  async #whenReady(): Promise<void> {
    const answering = this.#nodes.filter((node) => node.isAnswering)
    try {
      await waitUntilReady({
        nameServers: this.nameServers.filter((node) => node.isAnswering).map((node) => node.address),
        brokers: answering.flatMap((node) => node.expected ?? []),
        credentials: this.#request.credentials,
        tls: this.#request.tls,
        check: () => {
          const dead = answering.find((node) => !node.isRunning)
          if (dead !== undefined) throw new Error(`${dead.name} (${dead.address}) ended while starting: ${dead.end}`)
        },
      })
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
