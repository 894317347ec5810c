import type { MicroResult } from '../micro/micro-result.js'
import { ratio, spread, table, whole } from './format.js'

/** The micro-benchmarks, ali-ons' codec beside ours where it does the same. */
export function renderMicro(results: readonly MicroResult[]): string {
  const names = [...new Set(results.map(({ name }) => name))]
  const ordered = names.flatMap((name) => results.filter((result) => result.name === name))
  const rows = ordered.map(({ name, by, nanoseconds, bytes }) => {
    const ours = results.find((other) => other.name === name && other.by === 'rocketmq-remoting')
    return [
      name,
      by,
      whole(1e9 / nanoseconds.median),
      whole(nanoseconds.median),
      spread(nanoseconds, whole),
      whole(bytes),
      ratio(ours === undefined ? undefined : nanoseconds.median / ours.nanoseconds.median),
    ]
  })
  return table(['case', 'by', 'a second', 'CPU ns', 'min–max', 'bytes allocated', 'CPU ratio'], 2, rows)
}
