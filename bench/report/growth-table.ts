import type { Growth } from '../growths.js'
import { type Failure, type Figures, type Run, rowsOf } from '../results.js'
import { ratio, short, spread, table, whole } from './format.js'
import { failureNotes } from './workload-table.js'

/** Where the first value is too small for a full load, the second one is what the others are compared with. */
const BASES: Readonly<Record<string, number>> = { 'growth-queues-send': 8, 'growth-queues-push': 8 }

export interface GrowthPoint {
  readonly value: number
  readonly figures: Figures
  /** CPU for one message divided by that of the base. */
  readonly ratio: number | undefined
}

/** The value of a growth that the others are compared with. */
export function baseOf(growth: Growth): number | undefined {
  return BASES[growth.name] ?? growth.values[0]
}

export function growthPoints(growth: Growth, runs: readonly Run[]): GrowthPoint[] {
  const points = growth.workloads.flatMap((workload, index) => {
    const [row] = rowsOf(workload, runs)
    const value = growth.values[index]
    return row === undefined || value === undefined ? [] : [{ value, figures: row.figures }]
  })
  const base = points.find(({ value }) => value === baseOf(growth))?.figures.cpu?.median
  return points.map((point) => {
    const cpu = point.figures.cpu?.median
    return { ...point, ratio: base === undefined || cpu === undefined ? undefined : cpu / base }
  })
}

export function renderGrowth(growth: Growth, runs: readonly Run[], failures: readonly Failure[]): string {
  const rows = growthPoints(growth, runs).map(({ value, figures, ratio: grown }) => [
    whole(value),
    figures.cpu === undefined ? '–' : short(figures.cpu.median),
    figures.cpu === undefined ? '–' : spread(figures.cpu, short),
    ratio(grown),
    figures.rate === undefined ? '–' : whole(figures.rate.median),
    figures.memory === undefined ? '–' : whole(figures.memory.median),
  ])
  const header = [
    growth.quantity,
    'CPU µs/message',
    'min–max',
    `against ${whole(baseOf(growth) ?? 0)}`,
    'messages/s',
    'peak RSS MiB',
  ]
  const notes = failureNotes(growth.workloads, failures)
  return [table(header, 0, rows), ...(notes.length === 0 ? [] : ['', notes.join('\n')])].join('\n')
}
