import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { ConsumerAdminVerbs } from './oracle-consumer-admin-verbs.js'
import type { ConsumerVerbs } from './oracle-consumer-verbs.js'
import { launchOracleJvm, type OracleJvm, oracleLogTail } from './oracle-jvm.js'
import type { JavaError, OracleVerbs } from './oracle-verbs.js'

const CALL_TIMEOUT = 60_000
const START_TIMEOUT = 60_000
const STOP_TIMEOUT = 5_000

type Verbs = OracleVerbs & ConsumerVerbs & ConsumerAdminVerbs

interface Answer {
  readonly id?: number
  readonly ready?: true
  readonly ok?: boolean
  readonly result?: unknown
  readonly error?: JavaError
}

interface PendingCall {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** The Java client or broker answered a call with an exception. */
export class OracleError extends Error {
  /** Simple name of the Java class, for example `MQBrokerException`. */
  readonly javaClass: string
  /** The broker's or the client's code, where the exception has one. */
  readonly code: number | null
  readonly javaError: JavaError

  constructor(verb: string, error: JavaError) {
    super(`${verb}: ${describe(error)}`)
    this.javaClass = error.class
    this.code = error.code
    this.javaError = error
  }

  override get name(): string {
    return 'OracleError'
  }
}

/**
 * Starts one JVM with the official Java client, admin tools and broker classes of a version. It ends with `stop()`, and with this process at the latest.
 *
 * @param version - As published on Maven Central, for example `5.4.0`.
 */
export async function startOracle(version: string): Promise<Oracle> {
  const oracle = new Oracle(version, await launchOracleJvm(version))
  await oracle.ready()
  return oracle
}

/** A JVM with the Java client of one version, that does what it is told and says what it saw. */
export class Oracle implements AsyncDisposable {
  readonly version: string
  readonly #jvm: ChildProcess
  readonly #folder: string
  readonly #pending = new Map<number, PendingCall>()
  readonly #ready: Promise<void>
  readonly #closed: Promise<void>
  #lastId = 0
  #end: string | undefined

  /** Made by {@link startOracle}. */
  constructor(version: string, { jvm, folder }: OracleJvm) {
    this.version = version
    this.#jvm = jvm
    this.#folder = folder
    this.#closed = once(jvm, 'close').then(([code, signal]) =>
      this.#ended(`ended with ${signal ?? `exit code ${code}`}`),
    )
    this.#ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`is not ready after ${START_TIMEOUT} ms`)), START_TIMEOUT)
      // Call 0 is the greeting that the JVM sends on its own.
      this.#pending.set(0, { resolve: () => resolve(), reject, timer })
    })
    // A write to a JVM that has just died; 'close' rejects the calls.
    jvm.stdin?.on('error', () => {})
    if (jvm.stdout) createInterface({ input: jvm.stdout }).on('line', (line) => this.#settle(line))
  }

  /** Of the JVM. */
  get pid(): number | undefined {
    return this.#jvm.pid
  }

  /** Resolves when the JVM takes calls; a JVM that doesn't start is stopped. */
  async ready(): Promise<void> {
    try {
      await this.#ready
    } catch (error) {
      const log = await oracleLogTail(this.#folder)
      await this.stop()
      throw new Error(`the Java oracle of ${this.version} does not start: ${(error as Error).message}\n${log}`)
    }
  }

  /**
   * Has the JVM do something. Calls may overlap.
   *
   * @param timeout - In milliseconds, default 60000. The JVM isn't told of a call that was given up.
   * @throws {@link OracleError} with Java's exception.
   */
  async call<V extends keyof Verbs>(
    verb: V,
    args: Verbs[V]['args'],
    timeout: number = CALL_TIMEOUT,
  ): Promise<Verbs[V]['result']> {
    if (this.#end !== undefined) throw new Error(`${verb}: the Java oracle of ${this.version} ${this.#end}`)
    const id = ++this.#lastId
    const answer = await new Promise<unknown>((resolve, reject) => {
      const giveUp = () => {
        this.#pending.delete(id)
        reject(new Error(`no answer from the Java oracle of ${this.version} after ${timeout} ms`))
      }
      this.#pending.set(id, { resolve, reject, timer: setTimeout(giveUp, timeout) })
      this.#jvm.stdin?.write(`${JSON.stringify({ id, verb, args })}\n`)
    }).catch(async (error: unknown) => {
      if (error instanceof JavaFailure) throw new OracleError(verb, error.error)
      throw new Error(`${verb}: ${(error as Error).message}\n${await oracleLogTail(this.#folder)}`)
    })
    return answer as Verbs[V]['result']
  }

  /** Ends the JVM as a crash would; resolves when it is gone. `stop()` is still to be called. */
  async kill(): Promise<void> {
    this.#jvm.kill('SIGKILL')
    await this.#closed
  }

  /** Ends the JVM. Pending calls are rejected. */
  async stop(): Promise<void> {
    this.#jvm.stdin?.end()
    const timer = setTimeout(() => this.#jvm.kill('SIGKILL'), STOP_TIMEOUT)
    await this.#closed
    clearTimeout(timer)
    await rm(this.#folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #settle(line: string): void {
    const answer = JSON.parse(line) as Answer
    const id = answer.ready ? 0 : answer.id
    const call = id === undefined ? undefined : this.#pending.get(id)
    if (id === undefined || call === undefined) return
    this.#pending.delete(id)
    clearTimeout(call.timer)
    if (answer.error === undefined) call.resolve(answer.result)
    else call.reject(new JavaFailure(answer.error))
  }

  #ended(how: string): void {
    this.#end = how
    for (const call of this.#pending.values()) {
      clearTimeout(call.timer)
      call.reject(new Error(`the Java oracle of ${this.version} ${how}`))
    }
    this.#pending.clear()
  }
}

function describe(error: JavaError): string {
  const own = `${error.class}${error.code === null ? '' : ` ${error.code}`}: ${error.message}`
  return error.cause === undefined ? own : `${own} <- ${describe(error.cause)}`
}

/** Carries Java's exception from the reader of lines to the caller. */
class JavaFailure extends Error {
  readonly error: JavaError

  constructor(error: JavaError) {
    super(error.class)
    this.error = error
  }
}
