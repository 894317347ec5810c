import { readFileSync } from 'node:fs'
import path from 'node:path'
import { isMissingCommand, lastLines, runCommand } from '../../test/support/run-command.js'
import { BUILD_FOLDER, ROOT } from '../compile.js'

const SOURCES = path.join(ROOT, 'bench', 'peers', 'go')

/**
 * Builds the program that measures the Go client; Go gets the client as its lock file names it.
 *
 * @returns the binary.
 * @throws Error that says what is missing.
 */
export async function buildGoClient(): Promise<string> {
  const binary = path.join(BUILD_FOLDER, 'go-peer')
  const args = ['build', '-buildvcs=false', '-o', binary, '.']
  const result = await runCommand('go', args, { cwd: SOURCES }).catch((error: unknown) => {
    if (isMissingCommand(error)) throw new Error('Go is not installed')
    throw error
  })
  if (result.exitCode !== 0) throw new Error(`go build: ${lastLines(result.output, 10)}`)
  return binary
}

/** As its module file names it, without the `v`. */
export function goClientVersion(): string {
  const module = readFileSync(path.join(SOURCES, 'go.mod'), 'utf8')
  return /rocketmq-client-go\/v2 v(\S+)/.exec(module)?.[1] ?? 'unknown'
}
