import { GROWTHS } from '../growths.js'
import type { Result } from '../result-file.js'
import { FAMILIES, type Workload } from '../workloads.js'
import { renderFurtherTargets } from './further-targets.js'
import { renderGrowth } from './growth-table.js'
import { renderMicro } from './micro-table.js'
import { renderTargets } from './target-table.js'
import { renderFamily } from './workload-table.js'

/** What is printed after a run: the tables of what was measured. */
export function renderReport(workloads: readonly Workload[], result: Result): string {
  const { runs, failures, micro } = result
  const parts: string[] = []
  for (const family of FAMILIES) {
    const measured = workloads.filter((workload) => workload.family === family.name)
    if (measured.length === 0) continue
    parts.push(`### ${family.title}\n\n${renderFamily(family, measured, runs, failures)}`)
  }
  for (const growth of GROWTHS) {
    const measured = workloads.some((workload) => workload.family === growth.name)
    if (measured) parts.push(`### ${growth.title}\n\n${renderGrowth(growth, runs, failures)}`)
  }
  const targets = renderTargets(runs)
  if (targets !== '') parts.push(`### Targets\n\n${targets}`)
  const further = renderFurtherTargets(runs, micro)
  if (further !== '') parts.push(`### Growth and codec\n\n${further}`)
  if (micro.length > 0) parts.push(`### Micro-benchmarks\n\n${renderMicro(micro)}`)
  return parts.join('\n\n')
}
