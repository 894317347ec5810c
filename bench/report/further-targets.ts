import { GROWTHS } from '../growths.js'
import type { MicroResult } from '../micro/micro-result.js'
import type { Run } from '../results.js'
import { ratio, table, whole } from './format.js'
import { baseOf, growthPoints } from './growth-table.js'

/** CPU for one message may grow by so much. */
const MOST_GROWTH = 1.1
const BOUND_GROWTHS = ['growth-queues-send', 'growth-queues-push', 'growth-in-flight']
const LEAST_A_SECOND = 1_000_000
const FAST_CASES = ['encode a send request, 128 B', 'decode a stored message, 128 B']

/** What must hold beside the ratios to other clients: the growth of the cost, and the speed of the codec on one core. Empty when nothing of it was measured. */
export function renderFurtherTargets(runs: readonly Run[], micro: readonly MicroResult[]): string {
  const rows = [...growthRows(runs), ...codecRows(micro)]
  return rows.length === 0 ? '' : table(['what', 'target', 'measured', 'met'], 1, rows)
}

function growthRows(runs: readonly Run[]): string[][] {
  return GROWTHS.filter(({ name }) => BOUND_GROWTHS.includes(name)).flatMap((growth) => {
    const last = growthPoints(growth, runs).at(-1)
    if (last?.ratio === undefined || last.value !== growth.values.at(-1)) return []
    const what = `${growth.title}: CPU per message, ${whole(last.value)} against ${whole(baseOf(growth) ?? 0)}`
    return [[what, `≤ ${ratio(MOST_GROWTH)}`, ratio(last.ratio), verdict(last.ratio <= MOST_GROWTH)]]
  })
}

function codecRows(micro: readonly MicroResult[]): string[][] {
  return FAST_CASES.flatMap((name) => {
    const result = micro.find((candidate) => candidate.name === name && candidate.by === 'rocketmq-remoting')
    if (result === undefined) return []
    const rate = 1e9 / result.nanoseconds.median
    return [
      [`${name}: a second, on one core`, `≥ ${whole(LEAST_A_SECOND)}`, whole(rate), verdict(rate >= LEAST_A_SECOND)],
    ]
  })
}

function verdict(isMet: boolean): string {
  return isMet ? 'yes' : '**no**'
}
