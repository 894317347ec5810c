import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { sql } from '../../src/client/subscription-data.js'
import { Subscriptions } from '../../src/consumer/subscriptions.js'

function fakeNow(now: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now })
  onTestFinished(() => void vi.useRealTimers())
}

describe('Subscriptions', () => {
  it('has one subscription for each topic, the last one', () => {
    const subscriptions = new Subscriptions()
    subscriptions.set('T', 'A')
    subscriptions.set('U')
    subscriptions.set('T', sql('a > 5'))
    expect(subscriptions.topics).toEqual(['T', 'U'])
    expect(subscriptions.get('T')).toMatchObject({ topic: 'T', subString: 'a > 5', expressionType: 'SQL92' })
    expect(subscriptions.values().map(({ subString }) => subString)).toEqual(['a > 5', '*'])
    expect([subscriptions.delete('T'), subscriptions.delete('T'), subscriptions.has('T')]).toEqual([true, false, false])
  })

  it('keeps what it had when an expression is refused', () => {
    const subscriptions = new Subscriptions()
    const first = subscriptions.set('T', 'A')
    expect(() => subscriptions.set('T', '||')).toThrow()
    expect(subscriptions.get('T')).toBe(first)
  })

  it('gives each change a newer version, also within one millisecond or when the clock was set back', () => {
    fakeNow(1_000)
    const subscriptions = new Subscriptions()
    const versions = [subscriptions.set('T').subVersion, subscriptions.set('T', 'A').subVersion]
    subscriptions.renew('T')
    versions.push(subscriptions.get('T')?.subVersion ?? 0)
    vi.setSystemTime(500)
    subscriptions.renew('T')
    versions.push(subscriptions.get('T')?.subVersion ?? 0)
    vi.setSystemTime(5_000)
    subscriptions.renew('T')
    versions.push(subscriptions.get('T')?.subVersion ?? 0)
    expect(versions).toEqual([1_000, 1_001, 1_002, 1_003, 5_000])
    expect(subscriptions.get('T')?.subString).toBe('A')
  })

  it('renews nothing that is not there', () => {
    const subscriptions = new Subscriptions()
    subscriptions.renew('T')
    expect(subscriptions.topics).toEqual([])
  })
})
