import { describe, expect, it } from 'vitest'
import { pairedRatios, rowsOf, shortReason } from '../../bench/results.js'
import { measureTargets } from '../../bench/targets.js'
import { WORKLOADS, type Workload } from '../../bench/workloads.js'
import { runOf } from './bench-samples.js'

describe('the rows of a workload', () => {
  it('have medians, spread, and ratios to this client', () => {
    const runs = [1, 2, 3].flatMap((round) => [
      runOf({ workload: 'send-64-128', client: 'rocketmq-remoting', round, cpu: 10 * round, rate: 100 }),
      runOf({ workload: 'send-64-128', client: 'go', round, cpu: 50, rate: 50 }),
    ])
    const [ours, go] = rowsOf(workload('send-64-128'), runs)
    expect(ours?.figures.cpu).toEqual({ median: 20, min: 10, max: 30 })
    expect(ours?.ratios.cpu).toBe(1)
    expect(go?.ratios).toMatchObject({ cpu: 2.5, rate: 0.5 })
  })

  it('count only what arrived', () => {
    const runs = [runOf({ workload: 'oneway-128', client: 'java', rate: 1000, cpu: 10, arrived: 0.5 })]
    const [java] = rowsOf(workload('oneway-128'), runs)
    expect(java?.figures.rate?.median).toBe(500)
    expect(java?.figures.cpu?.median).toBe(20)
  })

  it('have no latency and no memory where none was told', () => {
    const [row] = rowsOf(workload('push-128'), [runOf({ workload: 'push-128', client: 'go', memory: 0 })])
    expect(row?.figures.p50).toBeUndefined()
    expect(row?.figures.memory).toBeUndefined()
  })
})

it('ratios are taken from runs of the same round only', () => {
  const runs = [
    runOf({ workload: 'push-128', client: 'rocketmq-remoting', round: 1, cpu: 5 }),
    runOf({ workload: 'push-128', client: 'rocketmq-remoting', round: 2, cpu: 6 }),
    runOf({ workload: 'push-128', client: 'java', round: 2, cpu: 12 }),
  ]
  expect(pairedRatios('push-128', 'cpu', 'rocketmq-remoting', 'java', runs)).toEqual([0.5])
})

it('the reason of a failure is kept without its stack and without folders', () => {
  const reason =
    'ended with exit code 1: file:///home/someone/bench/dist/a.js:3 at 127.0.0.1:10911\n    at x (/home/someone/b.js)'
  expect(shortReason(reason)).toBe('ended with exit code 1: a.js:3 at 127.0.0.1:10911')
})

describe('the targets', () => {
  it('are against the peer that is the best by that figure', () => {
    const runs = [
      runOf({ workload: 'push-128', client: 'rocketmq-remoting', rate: 300, cpu: 2 }),
      runOf({ workload: 'push-128', client: 'java', rate: 150, cpu: 9 }),
      runOf({ workload: 'push-128', client: 'go', rate: 100, cpu: 4 }),
      runOf({ workload: 'push-128', client: 'raw-full', rate: 300, cpu: 1 }),
    ]
    const measured = measureTargets(runs).filter(({ target }) => target.against === 'best peer')
    expect(measured.map(({ target, against, ratio, isMet }) => [target.figure, against, ratio?.median, isMet])).toEqual(
      [
        ['rate', 'java', 2, false],
        ['cpu', 'go', 0.5, false],
      ],
    )
  })

  it('are met by a median on the right side of the limit', () => {
    const runs = [
      runOf({ workload: 'push-128', client: 'rocketmq-remoting', rate: 90 }),
      runOf({ workload: 'push-128', client: 'raw-full', rate: 100 }),
    ]
    const ceiling = measureTargets(runs).find(({ target }) => target.against === 'raw-full')
    expect(ceiling?.isMet).toBe(true)
  })

  it('say nothing where the other was not measured', () => {
    const measured = measureTargets([runOf({ workload: 'batch-128', client: 'rocketmq-remoting' })])
    expect(measured.length).toBeGreaterThan(0)
    expect(measured.every(({ ratio, isMet }) => ratio === undefined && isMet === undefined)).toBe(true)
  })
})

function workload(name: string): Workload {
  const found = WORKLOADS.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`no workload ${name}`)
  return found
}
