import net from 'node:net'
import type { ContainerRuntimeClient } from 'testcontainers'

/** No container engine answers. */
export class NoDockerEngine extends Error {}

/** The engine answers, but an image is neither there nor to be had. */
export class NoDockerImage extends Error {}

/** `host` shares this machine's network, `mapped` publishes ports. */
export type DockerNetwork = 'host' | 'mapped'

type Testcontainers = typeof import('testcontainers')

export interface DockerEngine {
  readonly testcontainers: Testcontainers
  readonly image: string
  /** Where the ports of its containers are reached from here. */
  readonly host: string
  readonly network: DockerNetwork
}

/**
 * Finds a container engine that has, or can get, the image of a RocketMQ version; `ROCKETMQ_IMAGE` names another image.
 *
 * @throws {@link NoDockerEngine} and {@link NoDockerImage}, after which another route may be tried.
 */
export async function findEngine(version: string): Promise<DockerEngine> {
  // Loading it takes a second, which the other routes need not wait for.
  const testcontainers = await import('testcontainers')
  const client = await testcontainers.getContainerRuntimeClient().catch((error: unknown) => {
    throw new NoDockerEngine('no Docker engine answers', { cause: error })
  })
  const image = process.env.ROCKETMQ_IMAGE ?? `apache/rocketmq:${version}`
  await requireImage(testcontainers, client, image)
  await requireReaper(testcontainers, client)
  const info = client.info.containerRuntime
  return { testcontainers, image, ...reachEngine(info, await isOwnAddress(info.host)) }
}

/** What the engine says of itself, as testcontainers reports it. */
export interface EngineInfo {
  readonly host: string
  readonly operatingSystem: string
  readonly remoteSocketPath: string
}

/**
 * Where the ports of an engine's containers are reached, and whether containers can share this machine's network.
 *
 * testcontainers takes the gateway of the bridge for the host when it finds itself in a container. That gateway is one of our own
 * addresses when the engine runs beside us, and of another machine's network when only its socket was mounted.
 *
 * @param isHere - Whether `info.host` is this machine.
 */
export function reachEngine(
  info: EngineInfo,
  isHere: boolean,
  platform: NodeJS.Platform = process.platform,
): Pick<DockerEngine, 'host' | 'network'> {
  // Docker Desktop and rootless engines run containers in a network of their own.
  const isApart = info.operatingSystem.includes('Docker Desktop') || info.remoteSocketPath.startsWith('/run/user/')
  return {
    // An engine maps IPv4, and localhost may mean ::1 first.
    host: isHere ? '127.0.0.1' : info.host,
    network: isHere && !isApart && platform === 'linux' ? 'host' : 'mapped',
  }
}

/** Whether a host is this machine: only then can it be listened on. A list of the cards lacks a bridge that nobody uses yet. */
export function isOwnAddress(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen(0, host, () => server.close(() => resolve(true)))
  })
}

async function requireImage(
  testcontainers: Testcontainers,
  client: ContainerRuntimeClient,
  image: string,
): Promise<void> {
  const name = testcontainers.ImageName.fromString(image)
  try {
    await client.image.pull(name)
  } catch (error) {
    throw new NoDockerImage(`the image ${image} can not be pulled: ${String(error)}`, { cause: error })
  }
  // A pull that ends in an error of the registry doesn't fail.
  if (!(await client.image.exists(name))) {
    throw new NoDockerImage(`the image ${image} is not there after the pull: does that version exist?`)
  }
}

async function requireReaper(testcontainers: Testcontainers, client: ContainerRuntimeClient): Promise<void> {
  try {
    await testcontainers.getReaper(client)
  } catch (error) {
    throw new NoDockerImage(
      `the container that testcontainers cleans up with can not be started (set TESTCONTAINERS_RYUK_DISABLED=true to do without): ${String(error)}`,
      { cause: error },
    )
  }
}
