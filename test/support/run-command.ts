import { spawn } from 'node:child_process'

export interface CommandResult {
  readonly exitCode: number | null
  /** Standard output and standard error in the order they came. */
  readonly output: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Kills the command after this many milliseconds. Default: no limit. */
  readonly timeout?: number
}

/**
 * Runs a command to its end and hands back what it printed; a non-zero exit code is an answer and not an error.
 *
 * @throws the spawn error, `code: 'ENOENT'` when there is no such command.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.once('error', reject)
    child.once('close', (exitCode) => resolve({ exitCode, output: Buffer.concat(chunks).toString() }))
  })
}

/** The last lines of a text, for an error message. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}

/** Whether an error says that the command doesn't exist. */
export function isMissingCommand(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
