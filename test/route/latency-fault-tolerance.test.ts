import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { BrokerError, ClientError, RemotingError } from '../../src/errors.js'
import { type Logger, silentLogger } from '../../src/logger.js'
import { monotonicNow } from '../../src/remoting/deadline.js'
import { isRetryableResponse, ResponseCode, responseName } from '../../src/remoting/response-code.js'
import {
  type LatencyFaultSettings,
  LatencyFaultTolerance,
  type ServiceDetector,
} from '../../src/route/latency-fault-tolerance.js'

/** Java's figures. */
const SETTINGS: LatencyFaultSettings = {
  latencyMax: [50, 100, 550, 1800, 3000, 5000, 15_000],
  notAvailableDuration: [0, 0, 2000, 5000, 6000, 10_000, 30_000],
  startDetector: false,
  detectInterval: 2000,
  detectTimeout: 200,
}

const A = 'broker-a'

/** Time stands still, but for the test. */
function stopTime(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
}

/** A detector that notes whom it asks; brokers answer as `isOk` says. */
class NotedDetector implements ServiceDetector {
  readonly asked: string[] = []
  readonly gone = new Set<string>()
  isOk: (brokerName: string) => Promise<boolean> = async () => true

  addressOf(brokerName: string): string | undefined {
    return this.gone.has(brokerName) ? undefined : `${brokerName}:10911`
  }

  detect(brokerName: string, address: string, timeout: number): Promise<boolean> {
    this.asked.push(`${brokerName} ${address} ${timeout}`)
    return this.isOk(brokerName)
  }
}

interface Setup {
  readonly faults: LatencyFaultTolerance
  readonly detector: NotedDetector
  /** For how long a broker is unavailable from now on, in milliseconds. */
  readonly unavailableFor: (brokerName: string) => number
}

function tolerance(settings: Partial<LatencyFaultSettings> = {}, logger: Logger = silentLogger): Setup {
  stopTime()
  const detector = new NotedDetector()
  const faults = new LatencyFaultTolerance({ ...SETTINGS, ...settings }, detector, logger)
  onTestFinished(() => faults.stop())
  const unavailableFor = (brokerName: string) => {
    const now = monotonicNow()
    let after = 0
    while (!faults.isAvailable(brokerName, now + after)) after++
    return after
  }
  return { faults, detector, unavailableFor }
}

function remotingError(): RemotingError {
  return new RemotingError('TIMEOUT', 'no answer', { address: 'a:1', sent: true })
}

function brokerError(responseCode: number): BrokerError {
  return new BrokerError('refused', {
    address: 'a:1',
    responseCode,
    responseName: responseName(responseCode),
    remark: '',
    retryable: isRetryableResponse(responseCode),
  })
}

describe('latency fault tolerance', () => {
  it('has nothing against a broker that it does not know', () => {
    const { faults } = tolerance()
    expect(faults.hasFaults).toBe(false)
    expect(faults.isAvailable(A, monotonicNow())).toBe(true)
    expect(faults.isReachable(A)).toBe(true)
  })

  it.each([
    [0, 0],
    [49, 0],
    [50, 0],
    [549, 0],
    [550, 2000],
    [1799.9, 2000],
    [1800, 5000],
    [3000, 6000],
    [4999, 6000],
    [5000, 10_000],
    [14_999, 10_000],
    [15_000, 30_000],
    [1e9, 30_000],
  ])('makes a broker that took %d ms unavailable for %d ms', (latency, duration) => {
    const { faults, unavailableFor } = tolerance()
    faults.update(A, latency, false, true)
    expect(unavailableFor(A)).toBe(duration)
    expect(faults.isReachable(A)).toBe(true)
    expect(unavailableFor('broker-b')).toBe(0)
  })

  it.each([
    [4, 0],
    [5, 70],
    [8, 70],
    [9, 90],
  ])('goes by the table that it was given: %d ms is %d ms', (latency, duration) => {
    const { faults, unavailableFor } = tolerance({ latencyMax: [5, 9], notAvailableDuration: [70, 90] })
    faults.update(A, latency, false, true)
    expect(unavailableFor(A)).toBe(duration)
  })

  it('counts isolation as ten seconds, however quick the failure was', () => {
    const { faults, unavailableFor } = tolerance()
    faults.update(A, 1, true, true)
    expect(unavailableFor(A)).toBe(10_000)
  })

  it('ends the time when it is over', () => {
    const { faults } = tolerance()
    faults.update(A, 600, false, true)
    vi.advanceTimersByTime(1999)
    expect(faults.isAvailable(A, monotonicNow())).toBe(false)
    vi.advanceTimersByTime(1)
    expect(faults.isAvailable(A, monotonicNow())).toBe(true)
  })

  it('does not shorten a time that is running, and lengthens it', () => {
    const { faults, unavailableFor } = tolerance()
    faults.update(A, 5000, false, true)
    faults.update(A, 1, false, true)
    expect(unavailableFor(A)).toBe(10_000)
    faults.update(A, 600, false, true)
    expect(unavailableFor(A)).toBe(10_000)
    vi.advanceTimersByTime(9_000)
    faults.update(A, 600, false, true)
    expect(unavailableFor(A)).toBe(2000)
  })

  it('forgets a broker that answers quickly after its time', () => {
    const { faults } = tolerance()
    faults.update(A, 600, false, true)
    vi.advanceTimersByTime(2000)
    expect(faults.hasFaults).toBe(true)
    faults.update(A, 3, false, true)
    expect(faults.hasFaults).toBe(false)
  })

  it('takes note of no broker that is quick', () => {
    const { faults } = tolerance()
    for (let i = 0; i < 1000; i++) faults.update(`broker-${i}`, 20, false, true)
    expect(faults.hasFaults).toBe(false)
  })

  it('logs that a broker is avoided once for each time, not for every send that failed', () => {
    const info = vi.fn()
    const { faults } = tolerance({}, { ...silentLogger, info })
    for (let i = 0; i < 50; i++) faults.record(A, 3000, remotingError())
    expect(info.mock.calls.map(([message]) => message)).toEqual([`broker ${A} is avoided for 10000 ms`])
    vi.advanceTimersByTime(10_000)
    faults.record(A, 3000, remotingError())
    expect(info).toHaveBeenCalledTimes(2)
  })
})

describe('the end of an attempt', () => {
  it('with an answer counts by its latency', () => {
    const { faults, unavailableFor } = tolerance()
    faults.record(A, 700)
    expect(unavailableFor(A)).toBe(2000)
    expect(faults.isReachable(A)).toBe(true)
  })

  it.each([
    [false, true],
    [true, false],
  ])('without an answer isolates; with a detector (%s) the broker is not reachable', (startDetector, isReachable) => {
    const { faults, unavailableFor } = tolerance({ startDetector })
    faults.record(A, 5, remotingError())
    expect(unavailableFor(A)).toBe(10_000)
    expect(faults.isReachable(A)).toBe(isReachable)
  })

  it.each([ResponseCode.SYSTEM_ERROR, ResponseCode.SYSTEM_BUSY, ResponseCode.SERVICE_NOT_AVAILABLE])(
    'with refusal %d, which is the broker`s fault, isolates a broker that is not reachable',
    (code) => {
      const { faults, unavailableFor } = tolerance()
      faults.record(A, 5, brokerError(code))
      expect(unavailableFor(A)).toBe(10_000)
      expect(faults.isReachable(A)).toBe(false)
    },
  )

  it.each([
    ['a refusal that every broker would give', brokerError(ResponseCode.MESSAGE_ILLEGAL)],
    ['an abort by the caller', new ClientError('ABORTED', 'aborted')],
  ])('with %s counts by its latency only', (_what, error) => {
    const { faults, unavailableFor } = tolerance()
    faults.record(A, 5, error)
    expect(faults.hasFaults).toBe(false)
    faults.record(A, 600, error)
    expect(unavailableFor(A)).toBe(2000)
    expect(faults.isReachable(A)).toBe(true)
  })

  it('with an answer makes a broker reachable again', () => {
    const { faults } = tolerance({ startDetector: true })
    faults.record(A, 5, remotingError())
    faults.record(A, 5)
    expect(faults.isReachable(A)).toBe(true)
    expect(faults.isAvailable(A, monotonicNow())).toBe(false)
  })
})

describe('the detector', () => {
  const detecting = { startDetector: true }

  it('asks nothing where it is not wanted', async () => {
    const { faults, detector } = tolerance()
    faults.start()
    faults.update(A, 5, true, false)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(detector.asked).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('makes a broker reachable that answers, but does not shorten its time', async () => {
    const { faults, detector, unavailableFor } = tolerance(detecting)
    faults.start()
    faults.record(A, 5, remotingError())
    await vi.advanceTimersByTimeAsync(2_999)
    expect(detector.asked).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(detector.asked).toEqual([`${A} ${A}:10911 200`])
    expect(faults.isReachable(A)).toBe(true)
    expect(unavailableFor(A)).toBe(7_000)
  })

  it('asks again, round by round, until the broker answers, and not after that', async () => {
    const { faults, detector } = tolerance(detecting)
    const answers = [async () => false, () => Promise.reject(remotingError()), async () => true]
    detector.isOk = () => answers.shift()?.() ?? Promise.resolve(false)
    faults.start()
    faults.record(A, 5, remotingError())
    await vi.advanceTimersByTimeAsync(6_000)
    expect(detector.asked).toHaveLength(2)
    expect(faults.isReachable(A)).toBe(false)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(faults.isReachable(A)).toBe(true)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(detector.asked).toHaveLength(3)
  })

  it('asks a broker no more often than its interval says', async () => {
    const { faults, detector } = tolerance({ ...detecting, detectInterval: 7_000, detectTimeout: 450 })
    detector.isOk = async () => false
    faults.start()
    faults.record(A, 5, remotingError())
    await vi.advanceTimersByTimeAsync(21_000)
    expect(detector.asked).toEqual(Array.from({ length: 3 }, () => `${A} ${A}:10911 450`))
  })

  it('leaves a broker alone that is slow, but reachable', async () => {
    const { faults, detector } = tolerance(detecting)
    faults.start()
    faults.record(A, 20_000)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(detector.asked).toEqual([])
  })

  it('does not ask while the last answer is still due', async () => {
    const { faults, detector } = tolerance({ ...detecting, detectTimeout: 10_000 })
    let answer: (isOk: boolean) => void = () => undefined
    detector.isOk = () => new Promise((resolve) => (answer = resolve))
    faults.start()
    faults.record(A, 5, remotingError())
    await vi.advanceTimersByTimeAsync(9_000)
    expect(detector.asked).toHaveLength(1)
    answer(false)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(detector.asked).toHaveLength(2)
  })

  it('forgets a broker that is in no route any more', async () => {
    const { faults, detector } = tolerance(detecting)
    faults.start()
    faults.record(A, 5, remotingError())
    detector.gone.add(A)
    await vi.advanceTimersByTimeAsync(3_000)
    expect(detector.asked).toEqual([])
    expect(faults.hasFaults).toBe(false)
  })

  it('asks some brokers a round, and all of many in turn', async () => {
    const { faults, detector } = tolerance(detecting)
    detector.isOk = async () => false
    faults.start()
    const names = Array.from({ length: 40 }, (_, i) => `broker-${i}`)
    for (const name of names) faults.record(name, 5, remotingError())
    await vi.advanceTimersByTimeAsync(3_000)
    expect(detector.asked).toHaveLength(16)
    await vi.advanceTimersByTimeAsync(6_000)
    expect(detector.asked).toHaveLength(48)
    expect(new Set(detector.asked)).toEqual(new Set(names.map((name) => `${name} ${name}:10911 200`)))
  })

  it('ends at a stop: no timer is left, and an answer that comes later changes nothing', async () => {
    const { faults, detector } = tolerance(detecting)
    let answer: (isOk: boolean) => void = () => undefined
    detector.isOk = () => new Promise((resolve) => (answer = resolve))
    faults.start()
    faults.start()
    faults.record(A, 5, remotingError())
    await vi.advanceTimersByTimeAsync(3_000)
    expect(vi.getTimerCount()).toBe(1)
    faults.stop()
    expect(vi.getTimerCount()).toBe(0)
    answer(true)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(faults.isReachable(A)).toBe(false)
    expect(detector.asked).toHaveLength(1)
  })

  it('goes on after another start', async () => {
    const { faults } = tolerance(detecting)
    faults.start()
    faults.stop()
    faults.start()
    faults.record(A, 5, remotingError())
    await vi.advanceTimersByTimeAsync(3_000)
    expect(faults.isReachable(A)).toBe(true)
  })
})
