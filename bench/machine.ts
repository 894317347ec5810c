import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { lastLines, runCommand } from '../test/support/run-command.js'
import { ROOT } from './compile.js'
import { goClientVersion } from './measured/go-client.js'

/** What the figures were measured on. No names of hosts, users or folders. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly os: string
  readonly node: string
  /** Versions of servers, clients and tools by their names. */
  readonly versions: Readonly<Record<string, string>>
  /** Programs that waited for a core when the measuring began, averaged over a minute: above 0.5, others were at work. */
  readonly load: number
}

/** @param servers - Version and origin of the servers. */
export async function describeMachine(servers: string, javaClient: string): Promise<Machine> {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 1024 ** 3),
    os: `${os.type()} ${os.release().replace(/[-+].*$/, '')} ${os.arch()}`,
    node: process.version,
    versions: {
      RocketMQ: servers,
      'rocketmq-remoting': versionIn(ROOT),
      'Java client': javaClient,
      'Go client': goClientVersion(),
      'ali-ons': versionIn(path.join(ROOT, 'bench', 'peers', 'node_modules', 'ali-ons')),
      Java: await versionOf('java', ['-version'], /version "([^"]+)"/),
      Go: await versionOf('go', ['version'], /go(\d[\w.]*)/),
    },
    load: os.loadavg()[0] ?? 0,
  }
}

function versionIn(folder: string): string {
  const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string }
  return version
}

async function versionOf(command: string, args: readonly string[], pattern: RegExp): Promise<string> {
  const output = await runCommand(command, args).then(
    (result) => result.output,
    () => '',
  )
  return pattern.exec(output)?.[1] ?? 'none'
}

/** The commit that is measured, and whether files differ from it. */
export async function describeRevision(): Promise<string> {
  const commit = await runCommand('git', ['rev-parse', '--short=10', 'HEAD'], { cwd: ROOT })
  if (commit.exitCode !== 0) return 'unknown'
  const changes = await runCommand('git', ['status', '--porcelain', '--', 'src'], { cwd: ROOT })
  return `${lastLines(commit.output, 1).trim()}${changes.output.trim() === '' ? '' : ' with changes'}`
}
