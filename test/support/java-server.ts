import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isVersion4, type ProxySettings, renderProperties, type Settings } from './broker-config.js'

const MAIN_CLASS = {
  namesrv: 'org.apache.rocketmq.namesrv.NamesrvStartup',
  broker: 'org.apache.rocketmq.broker.BrokerStartup',
  proxy: 'org.apache.rocketmq.proxy.ProxyStartup',
} as const

/** Java 17 closes these to 4.x and 5.0 servers otherwise. */
const OPEN_MODULES = [
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-exports=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
]

/** Quick to start and small, at the price of a speed that tests don't need. */
const SMALL_JVM = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData', '-Xss512k', '-Xms128m']

export type JavaServer = PropertiesServer | ProxyServer

/** A server whose settings are a Java properties file. */
export interface PropertiesServer extends JavaServerPlace {
  readonly kind: 'namesrv' | 'broker'
  readonly settings: Settings
}

export interface ProxyServer extends JavaServerPlace {
  readonly kind: 'proxy'
  readonly settings: ProxySettings
}

interface JavaServerPlace {
  readonly version: string
  /** The folder of the jars. */
  readonly lib: string
  /** `rocketmq.home.dir`; may be shared. */
  readonly home: string
  /** The server's own folder: its `user.home`, working folder and temporary files. */
  readonly folder: string
  readonly jvmOptions: readonly string[]
}

/** Makes the folder of a server and writes its settings. */
export async function prepareServer(server: JavaServer): Promise<void> {
  await mkdir(temporaryFolder(server), { recursive: true })
  await writeFile(
    settingsFile(server),
    server.kind === 'proxy' ? JSON.stringify(server.settings) : renderProperties(server.settings),
  )
}

/** Writes the home folder that all servers of a cluster share. */
export async function prepareHome(
  home: string,
  version: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const all = { ...logSettings(version), ...files }
  for (const [name, content] of Object.entries(all)) {
    const file = path.join(home, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, content)
  }
}

/** The arguments of `java` that run a server. */
export function serverArguments(server: JavaServer): string[] {
  return [
    ...OPEN_MODULES,
    ...SMALL_JVM,
    ...memoryOptions(server),
    `-Drocketmq.home.dir=${server.home}`,
    `-Duser.home=${server.folder}`,
    // A JVM that is killed leaves 13 MB of native library behind there.
    `-Djava.io.tmpdir=${temporaryFolder(server)}`,
    `-Drmq.logback.configurationFile=${path.join(server.home, 'conf', 'logback.xml')}`,
    // The default makes RSA keys at every start, which costs seconds.
    '-Dtls.server.mode=disabled',
    ...server.jvmOptions,
    '-cp',
    path.join(server.lib, '*'),
    MAIN_CLASS[server.kind],
    ...(server.kind === 'proxy' ? ['-pm', 'cluster', '-pc'] : ['-c']),
    settingsFile(server),
  ]
}

/** The environment of a server: ours with fewer malloc arenas, which halves its memory. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, MALLOC_ARENA_MAX: '2' }
}

function memoryOptions(server: JavaServer): string[] {
  if (server.kind === 'namesrv') return ['-Xmx128m', '-XX:MaxDirectMemorySize=128m']
  // A proxy drops the answers that it has ready while more than 64 KiB wait for the socket, which is Netty's limit where there is none of these.
  if (server.kind === 'proxy') {
    const limits = ['high', 'low'].map((mark) => `-Dcom.rocketmq.remoting.write.buffer.${mark}.water.mark=134217728`)
    return ['-Xmx256m', '-XX:MaxDirectMemorySize=512m', ...limits]
  }
  // Bursts of large messages are held outside the heap. A broker that has no memory left for them does not end: single requests stay unanswered, and timers stop.
  if (server.settings.timerWheelEnable === 'true') return ['-Xmx384m', '-XX:MaxDirectMemorySize=1g']
  return ['-Xmx256m', '-XX:MaxDirectMemorySize=1g']
}

function settingsFile(server: JavaServer): string {
  return path.join(server.folder, `${server.kind}.${server.kind === 'proxy' ? 'json' : 'conf'}`)
}

function temporaryFolder(server: JavaServer): string {
  return path.join(server.folder, 'tmp')
}

/** 5.x reads the file it is given and has its own copy of logback; 4.x insists on one file for each kind of server. */
function logSettings(version: string): Record<string, string> {
  if (!isVersion4(version)) return { 'conf/logback.xml': logback('org.apache.rocketmq.logging.ch.qos') }
  const content = logback('ch.qos')
  return { 'conf/logback_namesrv.xml': content, 'conf/logback_broker.xml': content, 'conf/logback_tools.xml': content }
}

function logback(prefix: string): string {
  return `<configuration>
  <appender name="OUT" class="${prefix}.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5p %c{0} %t - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
`
}
