import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { cacheFolder } from './cache-folder.js'
import { requireJava, requireMaven } from './java-home.js'
import { lastLines, runCommand } from './run-command.js'

/** The proxy is a set of its own: it comes with gRPC and with log settings that NameServer and broker would take up as well. */
const ARTIFACTS = {
  servers: ['rocketmq-namesrv', 'rocketmq-broker', 'rocketmq-tools', 'rocketmq-client'],
  proxy: ['rocketmq-proxy'],
} as const

export type JarSet = keyof typeof ARTIFACTS
const DEPENDENCY_PLUGIN = '3.8.1'

const underWay = new Map<string, Promise<string>>()

/**
 * The server, tools and client jars of one RocketMQ version, or those of its proxy, from Maven Central on first use and from the cache after that.
 *
 * @param version - As published, for example `5.5.0`.
 * @returns the folder that holds the jars and everything they need.
 * @throws Error when Java or Maven is missing, or when Maven fails, with the last lines it printed.
 */
export function ensureJars(version: string, set: JarSet = 'servers'): Promise<string> {
  const key = `${set} ${version}`
  const known = underWay.get(key)
  if (known !== undefined) return known
  const jars = findOrFetch(version, set)
  underWay.set(key, jars)
  // A failure (no network, say) must not stick to the process.
  jars.catch(() => underWay.delete(key))
  return jars
}

/** Whether the jars of a version are in the cache already, so that neither Maven nor a network is needed. */
export function hasJars(version: string, set: JarSet = 'servers'): boolean {
  return existsSync(path.join(folderOf(version, set), '.done'))
}

async function findOrFetch(version: string, set: JarSet): Promise<string> {
  if (!/^\d+(\.\d+)+[\w.-]*$/.test(version)) {
    throw new Error(`"${version}" is no RocketMQ version: give one as published on Maven Central, for example 5.5.0`)
  }
  const folder = folderOf(version, set)
  if (!hasJars(version, set)) await fetchJars(version, set, folder)
  return path.join(folder, 'lib')
}

/** Fetches into a folder of its own and renames that, so that nobody ever sees half a set of jars. */
async function fetchJars(version: string, set: JarSet, folder: string): Promise<void> {
  await requireJava()
  const mvn = await requireMaven()
  await mkdir(path.dirname(folder), { recursive: true })
  const fresh = await mkdtemp(`${folder}-`)
  try {
    await writeFile(path.join(fresh, 'pom.xml'), pom(version, ARTIFACTS[set]))
    const result = await runCommand(mvn, ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], {
      cwd: fresh,
    })
    if (result.exitCode !== 0) {
      throw new Error(
        `Maven could not fetch the jars of RocketMQ ${version} (exit code ${result.exitCode}); is the version published and Maven Central reachable?\n${lastLines(result.output, 15)}`,
      )
    }
    await writeFile(path.join(fresh, '.done'), '')
    await putInPlace(fresh, folder, () => hasJars(version, set))
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

async function putInPlace(fresh: string, folder: string, isThere: () => boolean): Promise<void> {
  try {
    await rename(fresh, folder)
  } catch (error) {
    // Another process was quicker.
    if (isThere()) return
    if (!existsSync(folder)) throw error
    await rm(folder, { recursive: true, force: true })
    await rename(fresh, folder)
  }
}

function folderOf(version: string, set: JarSet): string {
  return path.join(cacheFolder(), 'jars', set === 'servers' ? `v${version}` : `${set}-v${version}`)
}

function pom(version: string, artifacts: readonly string[]): string {
  const dependencies = artifacts.map(
    (artifact) =>
      `    <dependency><groupId>org.apache.rocketmq</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`,
  )
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rocketmq-remoting</groupId>
  <artifactId>server-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
  <build><plugins><plugin><artifactId>maven-dependency-plugin</artifactId><version>${DEPENDENCY_PLUGIN}</version></plugin></plugins></build>
</project>
`
}
