import { describe, expect, it } from 'vitest'
import { readOptions } from '../../bench/options.js'
import { FULL_PACE, paced, QUICK_PACE } from '../../bench/pace.js'
import { MIDDLE_SIZE, WORKLOADS } from '../../bench/workloads.js'

describe('the options of the benchmark', () => {
  it('measure everything in three rounds without any', () => {
    const options = readOptions([])
    expect(options).toMatchObject({ action: 'measure', rounds: 3, isComplete: true })
    expect(options?.workloads.length).toBeGreaterThan(WORKLOADS.length)
  })

  it('choose workloads by the beginning of their names', () => {
    const names = readOptions(['--only', 'push', '--only', 'send-64-128'])?.workloads.map(({ name }) => name)
    expect(names).toEqual(['send-64-128', 'push-128', 'push-1024', 'push-4096'])
  })

  it('choose peers, and this client is always among them', () => {
    expect(readOptions(['--only', 'push-128', '--peers', 'go,raw-full'])?.workloads[0]?.clients).toEqual([
      'rocketmq-remoting',
      'go',
      'raw-full',
    ])
    expect(readOptions(['--only', 'push-128', '--peers', 'none'])?.workloads[0]?.clients).toEqual(['rocketmq-remoting'])
  })

  it.each([[['--only', 'push']], [['--peers', 'go']], [['--quick']]])('keep no result of %j', (args) => {
    expect(readOptions(args)?.isComplete).toBe(false)
  })

  it('compare each workload with one size, in more rounds', () => {
    const options = readOptions(['--compare', 'HEAD~1'])
    expect(options).toMatchObject({ action: 'compare', revision: 'HEAD~1', rounds: 9 })
    expect(options?.workloads.every(({ bodySize }) => bodySize === MIDDLE_SIZE)).toBe(true)
  })

  it.each([
    [['--only', 'nonsense'], '--only nonsense fits no workload'],
    [['--peers', 'kafka'], '--peers kafka: there are java, go, ali-ons'],
    [['--rounds', '0'], '--rounds is 0, a whole number from 1 on expected'],
    [['--rounds', ''], '--rounds is , a whole number'],
    [['--plant', '10'], '--plant goes with --compare only'],
    [['--micro', '--report'], '--micro and --report exclude each other'],
    [['--fast'], "Unknown option '--fast'"],
  ])('refuse %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(message)
  })
})

it('a quick run does a tenth, and a full one everything', () => {
  for (const workload of WORKLOADS) {
    expect(paced(workload, FULL_PACE)).toEqual(workload)
    expect(paced(workload, QUICK_PACE).messages).toBe(Math.ceil(workload.messages / 10))
  }
})
