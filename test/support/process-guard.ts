import { type ChildProcess, spawn } from 'node:child_process'
import type { Writable } from 'node:stream'

/**
 * Reads "+ pid" and "- pid" until the pipe closes, which happens however this process ends; then kills what is left and removes
 * the folder.
 */
const SCRIPT = `
pids=
while read -r op pid; do
  case $op in
    +) pids="$pids $pid" ;;
    -) rest=; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done; pids=$rest ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`

/**
 * Sees to it that no server outlives this process, even one that ends by SIGKILL or a crash, and takes no signal handler for it.
 *
 * It is a shell in a session of its own at the other end of a pipe.
 */
export class ProcessGuard {
  readonly #shell: ChildProcess
  readonly #pipe: Writable

  /** @param folder - Removed at the end. */
  constructor(folder: string) {
    this.#shell = spawn('sh', ['-c', SCRIPT, 'sh', folder], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    const { stdin } = this.#shell
    if (stdin === null) throw new Error('the guard of the server processes has no standard input')
    this.#pipe = stdin
    // Without a guard the servers still end by stop(); a broken pipe must not end the tests.
    this.#pipe.on('error', () => {})
    this.#shell.on('error', () => {})
    this.#shell.unref()
    if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref()
  }

  add(pid: number): void {
    this.#pipe.write(`+ ${pid}\n`)
  }

  /** Must be called as soon as a process has ended: its number may soon belong to another. */
  remove(pid: number): void {
    this.#pipe.write(`- ${pid}\n`)
  }

  /** Ends the guard, which removes the folder. */
  end(): void {
    this.#pipe.end()
  }
}
