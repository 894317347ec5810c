/**
 * The long interoperability run: messages of this client read back by the official Java client, and the reverse, every field compared.
 *
 *     npx tsx scripts/interop.ts [--messages 100000] [--seed 1] [--version 5.5.0]
 *
 * `--messages` is for each direction; 100,000 make about 1.5 GiB in all. Needs Java 17 or newer and Maven. The exit code is 1 when anything differs.
 */
import { parseArgs } from 'node:util'
import { startCluster } from '../test/support/cluster.js'
import { type InteropReport, type InteropRun, sendFromJava, sendToJava } from '../test/support/interop-run.js'
import { startOracle } from '../test/support/oracle.js'

const ROUND = 10_000
const MIB = 1024 * 1024
const COMPRESS_TYPES = ['ZLIB', 'LZ4', 'ZSTD'] as const

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    version: { type: 'string' },
  },
})
const total = wholeNumber('messages', values.messages)
const seed = wholeNumber('seed', values.seed)

const cluster = await startCluster({
  route: 'java',
  config: { osPageCacheBusyTimeOutMills: '30000' },
  ...(values.version !== undefined && { version: values.version }),
})
try {
  await using oracle = await startOracle(cluster.version)
  const isOld = cluster.version.startsWith('4.')
  for (const direction of ['to Java', 'from Java'] as const) {
    const send = direction === 'to Java' ? sendToJava : sendFromJava
    const reports: InteropReport[] = []
    for (let done = 0, round = 0; done < total; round++) {
      const count = Math.min(ROUND, total - done)
      const compressType = isOld ? 'ZLIB' : (COMPRESS_TYPES[round % COMPRESS_TYPES.length] ?? 'ZLIB')
      const run: InteropRun = { namesrvAddr: cluster.namesrvAddr, oracle, seed: seed + round, count, compressType }
      const startedAt = Date.now()
      const report = await send(run)
      reports.push(report)
      done += count
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(0)
      console.log(`${direction}: ${done} of ${total} messages the same (${describe([report])}, ${seconds} s)`)
    }
    console.log(`${direction}: all the same: ${describe(reports)}`)
  }
} finally {
  await cluster.stop()
}

function describe(reports: readonly InteropReport[]): string {
  const sum = (field: keyof InteropReport) => reports.reduce((all, report) => all + report[field], 0)
  const largest = Math.max(...reports.map((report) => report.largest))
  const sizes = `${(sum('bytes') / MIB).toFixed(1)} MiB of bodies, the largest of ${largest} bytes`
  return `${sum('messages')} messages, ${sizes}, ${sum('batches')} batches, ${sum('compressed')} stored compressed`
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} ${text} is no whole number from 1 on`)
  return value
}
