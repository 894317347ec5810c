import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import type { ProcessGuard } from './process-guard.js'
import { lastLines } from './run-command.js'

const STOP_TIMEOUT = 15_000
const TAIL_BYTES = 64 * 1024
/** A logged error, or the first line of a stack trace. */
const FAULT = /^(.* ERROR .*|(Caused by: |Exception in thread .*)?[\w.$]+(Exception|Error)\b.*)$/gm

export interface ProcessSpec {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** Gets standard output and standard error of every run. */
  readonly logFile: string
  readonly guard: ProcessGuard
}

/** One server process that can be started again and again. */
export class ServerProcess {
  readonly #spec: ProcessSpec
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #end = 'not started'
  #paused = false

  constructor(spec: ProcessSpec) {
    this.#spec = spec
  }

  get name(): string {
    return this.#spec.name
  }

  /** Undefined while the process doesn't run. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  get isPaused(): boolean {
    return this.#paused
  }

  /** How the last run ended, for example `exit code 255`. */
  get end(): string {
    return this.#end
  }

  start(): void {
    if (this.isRunning) throw new Error(`${this.name} runs already (pid ${this.pid})`)
    const log = openSync(this.#spec.logFile, 'a')
    try {
      const child = spawn(this.#spec.command, this.#spec.args, {
        cwd: this.#spec.cwd,
        env: this.#spec.env,
        // In a session of its own, so that Ctrl-C in a terminal reaches only the tests, which then stop their servers in order.
        detached: true,
        stdio: ['ignore', log, log],
      })
      this.#watch(child)
    } finally {
      closeSync(log)
    }
  }

  #watch(child: ChildProcess): void {
    const { guard } = this.#spec
    const { pid } = child
    if (pid !== undefined) guard.add(pid)
    this.#child = child
    this.#paused = false
    this.#ended = new Promise((resolve) => {
      const finish = (end: string): void => {
        if (this.#child !== child) return
        if (pid !== undefined) guard.remove(pid)
        this.#child = undefined
        this.#paused = false
        this.#end = end
        resolve()
      }
      child.once('error', (error) => finish(error.message))
      child.once('exit', (code, signal) => finish(signal === null ? `exit code ${code}` : `signal ${signal}`))
    })
  }

  pause(): void {
    this.#signal('SIGSTOP')
    this.#paused = true
  }

  resume(): void {
    this.#signal('SIGCONT')
    this.#paused = false
  }

  /** Ends the process at once; resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.isRunning) this.#signal('SIGKILL')
    await this.#ended
  }

  /** Asks the process to end, and kills it when it hasn't after 15 seconds. */
  async stop(): Promise<void> {
    if (!this.isRunning) return
    this.#signal('SIGTERM')
    if (this.isPaused) this.resume()
    const timer = setTimeout(() => this.kill(), STOP_TIMEOUT)
    await this.#ended
    clearTimeout(timer)
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child === undefined) throw new Error(`${this.name} does not run (${this.end})`)
    this.#child.kill(signal)
  }

  /** The last lines of the log of all runs. */
  logTail(lines: number): string {
    return lastLines(tailOf(this.#spec.logFile), lines)
  }

  /** The last exceptions and errors in the log of all runs; a server logs much between its fault and its end. */
  logFaults(lines: number): string {
    const faults = readFileSync(this.#spec.logFile, 'utf8').match(FAULT) ?? []
    return faults.slice(-lines).join('\n')
  }
}

function tailOf(file: string): string {
  let log: number
  try {
    log = openSync(file, 'r')
  } catch {
    return '(no log)'
  }
  try {
    const { size } = fstatSync(log)
    const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES))
    readSync(log, bytes, 0, bytes.length, size - bytes.length)
    return bytes.toString()
  } finally {
    closeSync(log)
  }
}
