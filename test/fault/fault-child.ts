import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A process that a test may kill. */
export interface FaultChild<T> {
  /** What it printed last. */
  progress(): T
  /** Sends SIGUSR2, to one that waits for it. */
  begin(): void
  /** Ends it; resolves when it is gone. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<{ code: number | null; signal: string | null }>
}

/**
 * Starts a TypeScript file that prints lines of JSON; it is killed when the running test ends.
 *
 * @param options - Its argument, as JSON.
 * @param initial - Its progress before it prints any.
 */
export function startFaultChild<T>(file: string, options: object, initial: T): FaultChild<T> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', file, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  if (child.stdout === null) throw new Error('the child has no standard output')
  let last = initial
  createInterface({ input: child.stdout }).on('line', (line) => {
    last = JSON.parse(line) as T
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    return await ended
  }
  return { progress: () => last, begin: () => void child.kill('SIGUSR2'), end }
}
