import type { MicroResult } from '../../bench/micro/micro-result.js'
import type { Result } from '../../bench/result-file.js'
import type { Run } from '../../bench/results.js'
import type { ClientName } from '../../bench/workloads.js'

export interface RunSpec {
  readonly workload: string
  readonly client: ClientName
  readonly round?: number
  /** Messages a second. */
  readonly rate?: number
  /** Microseconds for one message. */
  readonly cpu?: number
  readonly p50?: number
  readonly arrived?: number
  readonly isWarm?: boolean
  readonly memory?: number
}

/** A run of one second that has those figures. */
export function runOf(spec: RunSpec): Run {
  const { workload, client, round = 1, rate = 1000, cpu = 10, p50, arrived = 1, isWarm = true, memory = 50 } = spec
  const latency = p50 === undefined ? undefined : { latency: { p50, p99: p50 * 2, p999: p50 * 3 } }
  const outcome = {
    messages: rate,
    seconds: 1,
    cpu: cpu * rate,
    peakRss: memory * 1024 * 1024,
    total: rate + 100,
    ...latency,
  }
  return { workload, client, round, isWarm, arrived, outcome }
}

export function microOf(name: string, by: MicroResult['by'], nanoseconds: number): MicroResult {
  return { name, by, nanoseconds: { median: nanoseconds, min: nanoseconds, max: nanoseconds }, bytes: 100 }
}

export function resultOf(parts: Partial<Result>): Result {
  return {
    measuredAt: '2026-01-02T03:04:05.678Z',
    revision: 'abcdef0123',
    machine: {
      cpu: 'A CPU',
      cores: 2,
      memoryGiB: 8,
      os: 'Linux 6.1 x64',
      node: 'v20.19.0',
      versions: { RocketMQ: '5.5.0 (java)' },
      load: 0.1,
    },
    rounds: 3,
    isQuick: false,
    seconds: 600,
    runs: [],
    failures: [],
    micro: [],
    ...parts,
  }
}
