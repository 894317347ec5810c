import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { ensureJars } from '../../test/support/jars.js'
import { requireJava } from '../../test/support/java-home.js'
import { lastLines, runCommand } from '../../test/support/run-command.js'
import { type Job, OUTCOME_MARK, type Outcome } from '../clients/job.js'
import { BUILD_FOLDER, ROOT } from '../compile.js'
import { type ClientProcess, GRACE, OUTPUT_TAIL } from './client-process.js'

const SOURCES = path.join(ROOT, 'bench', 'peers', 'java')
const CLASSES = path.join(BUILD_FOLDER, 'java')
const JVM_OPTIONS = [
  '-Xmx1g',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
]
/** The client writes a log of its own, which would be measured as well. */
const NO_LOG = '<configuration><root level="OFF"/></configuration>\n'

/**
 * Compiles the program that measures the Java client, with the jars of that RocketMQ version from Maven Central.
 *
 * @returns the command and arguments that start it.
 * @throws Error that says what is missing.
 */
export async function buildJavaClient(version: string): Promise<readonly string[]> {
  const java = await requireJava()
  const jars = path.join(await ensureJars(version), '*')
  const javac = process.env.JAVA_HOME ? path.join(process.env.JAVA_HOME, 'bin', 'javac') : 'javac'
  const sources = (await readdir(SOURCES)).filter((name) => name.endsWith('.java'))
  await mkdir(CLASSES, { recursive: true })
  const args = ['-nowarn', '-encoding', 'UTF-8', '-cp', jars, '-d', CLASSES]
  const result = await runCommand(javac, [...args, ...sources.map((name) => path.join(SOURCES, name))])
  if (result.exitCode !== 0) throw new Error(`javac: ${lastLines(result.output, 10)}`)
  return [java, ...JVM_OPTIONS, '-cp', [CLASSES, jars].join(path.delimiter)]
}

/** One JVM for many jobs, which it gets line by line: it needs 20 seconds to become fast. */
export class JavaClient implements ClientProcess {
  readonly #jvm: ChildProcess
  readonly #folder: string
  #onLine: (line: string) => void = () => undefined
  #onEnd: (error: Error) => void = () => undefined
  #errors = ''

  private constructor(jvm: ChildProcess, folder: string) {
    this.#jvm = jvm
    this.#folder = folder
    if (jvm.stdout !== null) createInterface({ input: jvm.stdout }).on('line', (line) => this.#onLine(line))
    jvm.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-OUTPUT_TAIL)
    })
    jvm.once('error', (error) => this.#onEnd(error))
    jvm.once('exit', (code, signal) =>
      this.#onEnd(new Error(`the JVM ended with ${signal ?? `exit code ${code}`}: ${this.#errors.trim()}`)),
    )
    // The end of a JVM that ended already is no further fault.
    jvm.stdin?.on('error', () => undefined)
  }

  static async start(command: readonly string[]): Promise<JavaClient> {
    const [java = 'java', ...args] = command
    const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-bench-java-'))
    const log = path.join(folder, 'logback.xml')
    await writeFile(log, NO_LOG)
    const own = [
      `-Duser.home=${folder}`,
      `-Drmq.logback.configurationFile=${log}`,
      `-Dlogback.configurationFile=${log}`,
    ]
    return new JavaClient(spawn(java, [...own, ...args, 'BenchPeer'], { cwd: folder, stdio: 'pipe' }), folder)
  }

  run(job: Job): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const killer = setTimeout(() => this.#jvm.kill('SIGKILL'), job.deadline + GRACE)
      const settle = (): void => {
        clearTimeout(killer)
        this.#onLine = () => undefined
        this.#onEnd = () => undefined
      }
      this.#onEnd = (error) => {
        settle()
        reject(error)
      }
      this.#onLine = (line) => {
        settle()
        if (line.startsWith(OUTCOME_MARK)) resolve(outcomeOf(line.slice(OUTCOME_MARK.length)))
        else reject(new Error(line.slice(0, OUTPUT_TAIL)))
      }
      if (this.#jvm.exitCode !== null || this.#jvm.signalCode !== null)
        this.#onEnd(new Error('the JVM has ended before'))
      else this.#jvm.stdin?.write(`${JSON.stringify(job)}\n`)
    })
  }

  async close(): Promise<void> {
    if (this.#jvm.exitCode === null && this.#jvm.signalCode === null && this.#jvm.pid !== undefined) {
      const ended = new Promise((resolve) => this.#jvm.once('exit', resolve))
      this.#jvm.kill('SIGKILL')
      await ended
    }
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Java writes what is missing as null, or not at all. */
function outcomeOf(json: string): Outcome {
  const fields = Object.entries(JSON.parse(json) as Record<string, unknown>).filter(([, value]) => value !== null)
  return Object.fromEntries(fields) as unknown as Outcome
}
