import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ensureOracleClasses } from './oracle-classes.js'
import { lastLines } from './run-command.js'

const JVM_OPTIONS = [
  '-Xmx256m',
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-XX:-UsePerfData',
  '-Duser.timezone=UTC',
  '-Dfile.encoding=UTF-8',
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-exports=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
]

const OUTPUT_LOG = 'jvm.log'
const CLIENT_LOG = 'client.log'
/** Where clients of 4.x write whatever they are told. */
const CLIENT_LOG_OF_4 = path.join('logs', 'rocketmqlogs', 'rocketmq_client.log')

/** A started JVM and the folder of its own that it keeps its files in. */
export interface OracleJvm {
  readonly jvm: ChildProcess
  readonly folder: string
}

/** Starts the JVM of the Java oracle: calls go to its standard input, answers come from its standard output, all else goes to files. */
export async function launchOracleJvm(version: string): Promise<OracleJvm> {
  const { java, classPath } = await ensureOracleClasses(version)
  const folder = await mkdtemp(path.join(os.tmpdir(), `rocketmq-oracle-${version}-`))
  try {
    await writeLogConfigs(folder)
    const args = [...JVM_OPTIONS, ...folderOptions(folder), '-cp', classPath, 'Oracle']
    return { jvm: await spawnWithLog(java, args, folder), folder }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** The last lines that the JVM and its clients wrote to their logs. */
export async function oracleLogTail(folder: string, lines = 30): Promise<string> {
  const names = [OUTPUT_LOG, CLIENT_LOG, CLIENT_LOG_OF_4]
  const logs = await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8').catch(() => '')))
  return logs.map((log) => lastLines(log, lines)).join('\n')
}

/** Some commands of mqadmin write files into the working folder. */
async function spawnWithLog(java: string, args: readonly string[], folder: string): Promise<ChildProcess> {
  const output = await open(path.join(folder, OUTPUT_LOG), 'w')
  try {
    // A pipe for its input: it closes when this process dies in whatever way, and the JVM ends with it.
    const jvm = spawn(java, args, { cwd: folder, stdio: ['pipe', 'pipe', output.fd] })
    await once(jvm, 'spawn')
    return jvm
  } finally {
    await output.close()
  }
}

function folderOptions(folder: string): string[] {
  return [
    `-Duser.home=${folder}`,
    `-Djava.io.tmpdir=${folder}`,
    `-Drocketmq.home.dir=${folder}`,
    `-Drmq.logback.configurationFile=${path.join(folder, 'logback-shaded.xml')}`,
    `-Dlogback.configurationFile=${path.join(folder, 'logback.xml')}`,
  ]
}

/** 5.x brings its own copy of logback under another package; the tools of 4.x insist on a file of theirs in the home folder. */
async function writeLogConfigs(folder: string): Promise<void> {
  const plain = logbackConfig('ch.qos', folder)
  await mkdir(path.join(folder, 'conf'))
  await writeFile(path.join(folder, 'logback-shaded.xml'), logbackConfig('org.apache.rocketmq.logging.ch.qos', folder))
  await writeFile(path.join(folder, 'logback.xml'), plain)
  await writeFile(path.join(folder, 'conf', 'logback_tools.xml'), plain)
}

function logbackConfig(packageName: string, folder: string): string {
  return `<configuration>
  <appender name="FILE" class="${packageName}.logback.core.FileAppender">
    <file>${path.join(folder, CLIENT_LOG)}</file>
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5p %c{0} %t - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
`
}
