import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Cluster } from '../test/support/cluster-types.js'
import { ROOT } from './compile.js'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly node: string
  /** Version and origin of the servers. */
  readonly rocketmq: string
  /** Versions of the clients by their names. */
  readonly clients: Readonly<Record<string, string>>
  readonly text: string
}

/** What the figures were measured on. */
export function describeMachine(cluster: Cluster): Machine {
  const cpu = os.cpus()[0]?.model.trim() ?? 'unknown CPU'
  const cores = os.availableParallelism()
  const rocketmq = `${cluster.version} (${cluster.route})`
  const clients = {
    'rocketmq-remoting': versionIn(ROOT),
    'ali-ons': versionIn(path.join(ROOT, 'bench', 'peers', 'node_modules', 'ali-ons')),
  }
  const names = Object.entries(clients).map(([name, version]) => `${name} ${version}`)
  const text = `RocketMQ ${rocketmq}, ${names.join(', ')}; Node ${process.version}; ${cores} × ${cpu}`
  return { cpu, cores, node: process.version, rocketmq, clients, text }
}

function versionIn(folder: string): string {
  const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string }
  return version
}
