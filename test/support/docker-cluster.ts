import { brokerSettings, clusterNameOf, nameServerSettings, renderProperties } from './broker-config.js'
import { type Cluster, type ClusterRequest, findNode, nodeName, type ResolvedBroker } from './cluster-types.js'
import { type DockerEngine, type DockerNetwork, findEngine } from './docker-engine.js'
import { chooseClusterPorts, PORT_TAKEN } from './ports.js'
import { waitUntilReady } from './readiness.js'
import { brokerVersion } from './remoting-probe.js'
import { lastLines } from './run-command.js'
import { UncontrolledNode } from './uncontrolled-node.js'

/** Belongs to the image's user, who rewrites the file there whenever a broker's settings are updated. */
const HOME = '/home/rocketmq'
const NAME_SERVER_FILE = `${HOME}/namesrv.conf`
const BROKER_FILE = `${HOME}/broker.conf`
/** For both servers, and for Java 8, which the published images have. */
const JVM_OPTIONS =
  '-Xms256m -Xmx384m -Xmn128m -XX:MaxDirectMemorySize=1g -XX:-AlwaysPreTouch -Dtls.server.mode=disabled'

const MAX_STARTS = 3
const START_TIMEOUT = 120_000
const ERROR_TAIL = 40

/**
 * Starts a NameServer and a broker in one container.
 *
 * The ports are free ones of this machine, the same inside and outside of the container: a broker tells clients the port it
 * listens on.
 *
 * @param network - Default: `host` where the engine runs on this Linux machine, else `mapped`.
 * @throws NoDockerEngine and NoDockerImage, after which another route may be tried.
 * @throws Error when the servers aren't ready after 120 seconds, with the end of the container's log.
 */
export async function startDockerCluster(request: ClusterRequest, network?: DockerNetwork): Promise<Cluster> {
  const found = await findEngine(request.version)
  const engine = network === undefined ? found : { ...found, network }
  request.log(`starting ${engine.image} on the Docker engine, ${engine.network} network`)
  for (let starts = 1; ; starts++) {
    const log: string[] = []
    try {
      return await startContainer(engine, request, log)
    } catch (error) {
      const text = log.join('')
      const reason = error instanceof Error ? error.message : String(error)
      if (PORT_TAKEN.test(text + reason) && starts < MAX_STARTS) {
        request.log('another process took one of the ports: starting again with others')
        continue
      }
      const tail = lastLines(text, ERROR_TAIL)
      throw new Error(`${engine.image}: ${reason}\n--- end of the container's log:\n${tail}`, { cause: error })
    }
  }
}

async function startContainer(engine: DockerEngine, request: ClusterRequest, log: string[]): Promise<Cluster> {
  const [broker] = request.brokers
  if (broker === undefined) throw new Error('a cluster needs a broker')
  const ports = await chooseClusterPorts(1, 1)
  const [nameServerPort = 0] = ports.nameServers
  const [brokerPort = 0] = ports.brokers
  const { GenericContainer, Wait } = engine.testcontainers
  const definition = new GenericContainer(engine.image)
    .withEnvironment({ JAVA_OPT_EXT: JVM_OPTIONS })
    .withCopyContentToContainer([
      { target: NAME_SERVER_FILE, mode: 0o666, content: renderNameServer(engine, request, nameServerPort) },
      { target: BROKER_FILE, mode: 0o666, content: renderBroker(engine, request, broker, nameServerPort, brokerPort) },
    ])
    .withCommand(['sh', '-c', `sh mqnamesrv -c ${NAME_SERVER_FILE} & exec sh mqbroker -c ${BROKER_FILE}`])
    .withLogConsumer((stream) => stream.on('data', (chunk) => log.push(String(chunk))))
    .withWaitStrategy(Wait.forLogMessage(/boot success/))
    .withStartupTimeout(START_TIMEOUT)
  if (engine.network === 'host') {
    definition.withNetworkMode('host')
  } else {
    const published = [nameServerPort, brokerPort, brokerPort - 2]
    definition.withExposedPorts(...published.map((port) => ({ container: port, host: port })))
  }
  const container = await definition.start()
  const stop = async (): Promise<void> => {
    await container.stop()
  }
  const namesrvAddr = `${engine.host}:${nameServerPort}`
  const brokerAddress = `${engine.host}:${brokerPort}`
  let { version } = request
  const callOptions = { tls: request.tls, credentials: request.credentials }
  try {
    const permission = broker.config.brokerPermission ?? request.config.brokerPermission
    const expected = { name: broker.name, id: broker.id, address: brokerAddress, permission }
    await waitUntilReady({ ...callOptions, nameServers: [namesrvAddr], brokers: [expected], timeout: START_TIMEOUT })
    // The tag of an image of one's own need not be a version.
    if (process.env.ROCKETMQ_IMAGE !== undefined) version = await brokerVersion(brokerAddress, callOptions)
  } catch (error) {
    await stop()
    throw error
  }
  const readLog = (): string => log.join('')
  const brokers = [new UncontrolledNode(nodeName(broker), brokerAddress, 'docker', readLog)]
  return {
    route: 'docker',
    version,
    namesrvAddr,
    clusterName: clusterNameOf(request),
    nameServers: [new UncontrolledNode('namesrv-1', namesrvAddr, 'docker', readLog)],
    brokers,
    proxy: undefined,
    broker: (name) => findNode(brokers, name),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** On the host's network only this machine shall reach the servers; behind published ports they must listen on the container's card. */
function bindAddress(engine: DockerEngine): { bindAddress?: string } {
  return engine.network === 'host' ? { bindAddress: '127.0.0.1' } : {}
}

function renderNameServer(engine: DockerEngine, request: ClusterRequest, port: number): string {
  return renderProperties(
    nameServerSettings(request, { port, kvConfigPath: `${HOME}/kvConfig.json`, ...bindAddress(engine) }),
  )
}

function renderBroker(
  engine: DockerEngine,
  request: ClusterRequest,
  broker: ResolvedBroker,
  nameServerPort: number,
  port: number,
): string {
  const place = {
    host: engine.host,
    port,
    namesrvAddr: `127.0.0.1:${nameServerPort}`,
    storeFolder: `${HOME}/store`,
    ...bindAddress(engine),
  }
  return renderProperties(brokerSettings(request, broker, place))
}
