import type { Growth } from '../growths.js'
import { type Figure, type Run, rowsOf } from '../results.js'
import { CLIENT_TITLES, type ClientName, type Family, sizeName, type Workload } from '../workloads.js'
import { short, whole } from './format.js'
import { growthPoints } from './growth-table.js'
import { type BarPanel, barChart, lineChart } from './svg.js'

const COLOURS: Readonly<Record<ClientName, string>> = {
  'rocketmq-remoting': '#e8590c',
  java: '#4c8dd6',
  go: '#12a594',
  'ali-ons': '#9a6dd7',
  'raw-enc': '#8b949e',
  'raw-dec': '#8b949e',
  'raw-full': '#8b949e',
  revision: '#4c8dd6',
}

/** The plot of one family: how many messages a second, what each costs, and how long it takes. */
export function plotFamily(family: Family, workloads: readonly Workload[], runs: readonly Run[]): string {
  const panels: BarPanel[] = [
    panel('messages/s (more is better)', 'rate', whole, workloads, runs),
    panel('client CPU µs per message (less is better)', 'cpu', short, workloads, runs),
    panel('latency p50, µs (less is better)', 'p50', whole, workloads, runs),
    panel('latency p99, µs (less is better)', 'p99', whole, workloads, runs),
    panel('peak memory, MiB (less is better)', 'memory', whole, workloads, runs),
  ]
  return barChart(
    family.title,
    panels.filter(({ groups }) => groups.length > 0),
  )
}

function panel(
  title: string,
  figure: Figure,
  format: (value: number) => string,
  workloads: readonly Workload[],
  runs: readonly Run[],
): BarPanel {
  const all = workloads.map((workload) => ({
    label: sizeName(workload.bodySize),
    bars: rowsOf(workload, runs).flatMap(({ client, figures }) => {
      const summary = figures[figure]
      if (summary === undefined) return []
      const { median: value, min: low, max: high } = summary
      return [{ label: CLIENT_TITLES[client], colour: COLOURS[client], value, low, high, text: format(value) }]
    }),
  }))
  return { title, groups: all.filter(({ bars }) => bars.length > 0) }
}

/** What a message costs as one quantity grows. */
export function plotGrowth(growth: Growth, runs: readonly Run[]): string {
  const points = growthPoints(growth, runs).flatMap(({ value: quantity, figures: { cpu } }) => {
    if (cpu === undefined) return []
    const { median: value, min: low, max: high } = cpu
    return [{ label: whole(quantity), value, low, high, text: short(value) }]
  })
  return lineChart(growth.title, growth.quantity, 'client CPU µs per message', COLOURS['rocketmq-remoting'], points)
}
