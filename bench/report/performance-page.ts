import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { ROOT } from '../compile.js'
import { GROWTHS } from '../growths.js'
import type { Result } from '../result-file.js'
import { measureTargets } from '../targets.js'
import { FAMILIES, WORKLOADS } from '../workloads.js'
import { renderFurtherTargets } from './further-targets.js'
import { renderGrowth } from './growth-table.js'
import { renderMicro } from './micro-table.js'
import { plotFamily, plotGrowth } from './plots.js'
import { renderTargets } from './target-table.js'
import { renderFamily } from './workload-table.js'

const DOCS = path.join(ROOT, 'docs')
const PLOTS = path.join(DOCS, 'performance')
/** Written by hand: why a target is not met, and what was tried. */
const NOTES = path.join(ROOT, 'bench', 'notes.md')

export const PERFORMANCE_PAGE = path.join(DOCS, 'performance.md')

/** Makes `docs/performance.md` and its plots from one result. */
export async function writePerformancePage(result: Result): Promise<void> {
  const { page, plots } = renderPerformancePage(result, await readNotes())
  await rm(PLOTS, { recursive: true, force: true })
  await mkdir(PLOTS, { recursive: true })
  for (const [name, svg] of plots) await writeFile(path.join(PLOTS, name), svg)
  await writeFile(PERFORMANCE_PAGE, page)
  console.error('bench: wrote docs/performance.md')
}

export async function readNotes(): Promise<string> {
  return existsSync(NOTES) ? readFile(NOTES, 'utf8') : ''
}

/** The text of the page, and the plots by their file names. */
export function renderPerformancePage(
  result: Result,
  notes: string,
): { page: string; plots: ReadonlyMap<string, string> } {
  const { runs, failures, micro } = result
  const plots = new Map<string, string>()
  const parts = ['# Performance', introduction(result), '## Targets', targetText(result), renderTargets(runs)]
  parts.push(renderFurtherTargets(runs, micro))
  if (notes !== '') parts.push('### Where a target is not met', notes.trim())
  parts.push('## Workloads')
  for (const family of FAMILIES) {
    const workloads = WORKLOADS.filter((workload) => workload.family === family.name)
    if (!runs.some((run) => workloads.some(({ name }) => name === run.workload))) continue
    plots.set(`${family.name}.svg`, plotFamily(family, workloads, runs))
    parts.push(`### ${family.title}`, renderFamily(family, workloads, runs, failures), image(family.title, family.name))
  }
  parts.push('## Growth', 'Only this client is measured; CPU for one message should stay the same.')
  for (const growth of GROWTHS) {
    if (!runs.some((run) => growth.workloads.some(({ name }) => name === run.workload))) continue
    plots.set(`${growth.name}.svg`, plotGrowth(growth, runs))
    parts.push(`### ${growth.title}`, renderGrowth(growth, runs, failures), image(growth.title, growth.name))
  }
  if (micro.length > 0) parts.push('## Codec and channel', MICRO_TEXT, renderMicro(micro))
  return { page: `${parts.filter((part) => part !== '').join('\n\n')}\n`, plots }
}

const MICRO_TEXT =
  'One process on one core, CPU time; “bytes allocated” counts heap and buffers of one operation. The channel’s round trip is with a small server on the same machine, whose CPU does not count.'

function introduction({ machine, rounds, measuredAt, revision, isQuick, seconds }: Result): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  const lines = [
    'This page is made by `npm run bench` from its result, which is kept in [bench/results](../bench/results); [bench/README.md](../bench/README.md) says what is measured and how.',
    '',
    `- Machine: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.os}, Node ${machine.node}`,
    `- Versions: ${versions.join(', ')}`,
    `- Measured on ${measuredAt.slice(0, 10)} at commit ${revision}: ${rounds} interleaved rounds in ${Math.round(seconds / 60)} minutes; load of the machine before: ${machine.load.toFixed(1)}`,
    '',
    'One broker, on the loopback interface, shares the machine with the client that is measured. So messages/s say what client and broker reach together on these cores, no more: a client that costs less also leaves more to the broker. **CPU per message** is the client’s own, and the steadiest figure. Rates and latencies count as ratios within one run; those of other machines, networks and brokers are others.',
    'Each figure is the median of the rounds, beside it the least and the most; a ratio is the row divided by this client’s row. The Java client was warmed up for 20 s before each table, in one process for all sizes; each of the others runs in a process of its own, after a warm-up of up to three seconds: V8 needs some ten thousand messages until it has compiled what it runs, and services live longer than that.',
  ]
  if (isQuick) lines.push('', '**A quick run: the figures mean little.**')
  if (machine.load > machine.cores / 2)
    lines.push(
      '',
      '**Other programs were at work on this machine while it was measured: compare nothing but ratios, and those with care.**',
    )
  return lines.join('\n')
}

function targetText({ runs }: Result): string {
  const targets = measureTargets(runs)
  const [met, measured] = [targets.filter(({ isMet }) => isMet), targets.filter(({ isMet }) => isMet !== undefined)]
  return `${met.length} of ${measured.length} targets are met. “The best peer” is the best of Java, Go and ali-ons by that figure; each ratio is taken round by round, from runs that followed each other.`
}

function image(title: string, name: string): string {
  return `![${title}](performance/${name}.svg)`
}
