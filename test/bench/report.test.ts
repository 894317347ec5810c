import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { renderReport } from '../../bench/report/console-report.js'
import { PERFORMANCE_PAGE, readNotes, renderPerformancePage } from '../../bench/report/performance-page.js'
import { readNewestResult, renderResult } from '../../bench/result-file.js'
import { WORKLOADS } from '../../bench/workloads.js'
import { microOf, resultOf, runOf } from './bench-samples.js'

const runs = [1, 2, 3].flatMap((round) => [
  runOf({ workload: 'send-1-128', client: 'rocketmq-remoting', round, p50: 100, cpu: 40, rate: 9000 + round }),
  runOf({ workload: 'send-1-128', client: 'java', round, p50: 200, cpu: 80 }),
  runOf({ workload: 'growth-queues-send-8', client: 'rocketmq-remoting', round, cpu: 10 }),
  runOf({ workload: 'growth-queues-send-1024', client: 'rocketmq-remoting', round, cpu: 12 }),
])

describe('the printed report', () => {
  it('has a row for each client with ratios to this one', () => {
    const lines = renderReport(WORKLOADS, resultOf({ runs })).split('\n')
    const ours = lines.find((line) => line.startsWith('| 128 B | **rocketmq-remoting**'))
    const java = lines.find((line) => line.startsWith('| 128 B | Java client'))
    expect(ours).toContain('| 9,002 | 9,001–9,003 | 1.00 |')
    expect(java).toContain('| 200 | 2.00 |')
  })

  it('gives the reason of a client that failed', () => {
    const failures = [{ workload: 'send-1-128', client: 'go', round: 0, reason: 'Go is not installed' } as const]
    expect(renderReport(WORKLOADS, resultOf({ runs, failures }))).toContain(
      'Go client failed: Go is not installed (128 B).',
    )
  })

  it('says where a warm-up was too short and what did not arrive', () => {
    const cold = runOf({ workload: 'oneway-128', client: 'go', isWarm: false, arrived: 0.9 })
    const report = renderReport(WORKLOADS, resultOf({ runs: [cold] }))
    expect(report).toContain('Go client, 128 B: the warm-up was cut short in 1 of 1 rounds.')
    expect(report).toContain('the broker has 90.0 %')
  })
})

describe('the performance page', () => {
  it('shows targets beside what was measured', () => {
    const { page } = renderPerformancePage(resultOf({ runs }), '')
    expect(page).toContain('| p50 against the best peer (Java client) | ≤ 0.9 | 0.50 | 0.50–0.50 | yes |')
    expect(page).toContain('CPU per message, 1,024 against 8 | ≤ 1.10 | 1.20 | **no** |')
  })

  it('has a plot for each table', () => {
    const { page, plots } = renderPerformancePage(resultOf({ runs }), '')
    const images = [...page.matchAll(/!\[[^\]]*\]\(performance\/([^)]+)\)/g)].map(([, name]) => name)
    expect(images).toEqual(['send-1.svg', 'growth-queues-send.svg'])
    expect([...plots.keys()]).toEqual(images)
  })

  it('names the machine, and warns where it was busy', () => {
    const quiet = resultOf({ runs })
    const busy = { ...quiet, machine: { ...quiet.machine, load: 9 } }
    expect(renderPerformancePage(quiet, '').page).toContain('2 cores of A CPU, 8 GiB, Linux 6.1 x64, Node v20.19.0')
    expect(renderPerformancePage(quiet, '').page).not.toContain('Other programs were at work')
    expect(renderPerformancePage(busy, '').page).toContain('Other programs were at work')
  })

  it('takes in what was written by hand', () => {
    expect(renderPerformancePage(resultOf({ runs }), 'Tried this.\n').page).toContain(
      '### Where a target is not met\n\nTried this.\n',
    )
  })

  it('compares the codecs where both do the same', () => {
    const name = 'decode a stored message, 128 B'
    const micro = [microOf(name, 'rocketmq-remoting', 500), microOf(name, 'ali-ons', 2000)]
    const { page } = renderPerformancePage(resultOf({ runs, micro }), '')
    expect(page).toContain(`| ${name} | ali-ons | 500,000 | 2,000 | 2,000–2,000 | 100 | 4.00 |`)
    expect(page).toContain(`| ${name}: a second, on one core | ≥ 1,000,000 | 2,000,000 | yes |`)
  })
})

it('a result is written as JSON with one line for each run', () => {
  const result = resultOf({ runs })
  const text = renderResult(result)
  expect(JSON.parse(text)).toEqual(result)
  expect(text.split('\n').filter((line) => line.includes('"workload"'))).toHaveLength(runs.length)
})

it('docs/performance.md is what the newest kept result makes of it', async () => {
  // Until a complete run has been kept, there is no page.
  const newest = await readNewestResult().catch(() => undefined)
  const expected = newest === undefined ? undefined : renderPerformancePage(newest, await readNotes()).page
  expect(existsSync(PERFORMANCE_PAGE) ? readFileSync(PERFORMANCE_PAGE, 'utf8') : undefined).toBe(expected)
})
