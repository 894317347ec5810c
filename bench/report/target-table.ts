import type { Run } from '../results.js'
import { type MeasuredTarget, measureTargets } from '../targets.js'
import { CLIENT_TITLES, FAMILIES, sizeName } from '../workloads.js'
import { ratio, spread, table } from './format.js'

const FIGURE_TITLES = {
  rate: 'messages/s',
  cpu: 'client CPU per message',
  p50: 'p50',
  p99: 'p99',
  p999: 'p999',
  memory: 'peak memory',
} as const

/** What this client must reach beside what was measured; empty when nothing of it was. */
export function renderTargets(runs: readonly Run[]): string {
  const rows = measureTargets(runs).map((measured) => {
    const { target, workload, against, ratio: summary } = measured
    const family = FAMILIES.find(({ name }) => name === workload.family)
    const other = against === undefined ? target.against : CLIENT_TITLES[against]
    return [
      `${family?.title ?? workload.family}, ${sizeName(workload.bodySize)}`,
      `${FIGURE_TITLES[target.figure]} against ${target.against === 'best peer' ? `the best peer (${other})` : other}`,
      target.atMost === undefined ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`,
      ratio(summary?.median),
      summary === undefined ? '–' : spread(summary, ratio),
      verdict(measured),
    ]
  })
  if (rows.length === 0) return ''
  return table(
    ['workload', 'this client’s figure divided by the other’s', 'target', 'measured', 'min–max', 'met'],
    2,
    rows,
  )
}

function verdict({ isMet }: MeasuredTarget): string {
  if (isMet === undefined) return 'not measured'
  return isMet ? 'yes' : '**no**'
}
