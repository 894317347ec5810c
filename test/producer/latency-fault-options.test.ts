import { describe, expect, it } from 'vitest'
import { ClientError } from '../../src/errors.js'
import { latencyFaultRule } from '../../src/producer/latency-fault-options.js'

const defaults = {
  latencyMax: [50, 100, 550, 1800, 3000, 5000, 15_000],
  notAvailableDuration: [0, 0, 2000, 5000, 6000, 10_000, 30_000],
  startDetector: false,
  detectInterval: 2000,
  detectTimeout: 200,
}

function resolve(value: unknown): unknown {
  return latencyFaultRule.read(value, 'option latencyFaultTolerance of DefaultProducer')
}

describe('option latencyFaultTolerance', () => {
  it.each([undefined, false])('is off when it is %s', (value) => {
    expect(resolve(value)).toBeUndefined()
  })

  it.each([true, {}, { latencyMax: undefined }])("has Java's figures and no detector when it is %j", (value) => {
    expect(resolve(value)).toEqual(defaults)
  })

  it('takes each figure from the object, and the others from the defaults', () => {
    expect(resolve({ startDetector: true, detectTimeout: 1000 })).toEqual({
      ...defaults,
      startDetector: true,
      detectTimeout: 1000,
    })
    expect(resolve({ latencyMax: [10], notAvailableDuration: [0], detectInterval: 1 })).toEqual({
      ...defaults,
      latencyMax: [10],
      notAvailableDuration: [0],
      detectInterval: 1,
    })
  })

  it("is not changed by what becomes of the caller's lists", () => {
    const given = { latencyMax: [10, 20], notAvailableDuration: [0, 100] }
    const settings = resolve(given)
    given.latencyMax[0] = 15
    given.notAvailableDuration.pop()
    expect(settings).toMatchObject({ latencyMax: [10, 20], notAvailableDuration: [0, 100] })
  })

  it.each<[unknown, RegExp]>([
    ['yes', /^option latencyFaultTolerance of DefaultProducer is 'yes', true, false or an object expected/],
    [null, /is null, true, false or an object expected/],
    [[], /is \[\], true, false or an object expected/],
    [7, /is 7, true/],
    [{ detector: true }, /^latencyFaultTolerance of DefaultProducer has no option 'detector'; it has latencyMax, /],
    [{ startDetektor: true }, /has no option 'startDetektor'; did you mean startDetector\?/],
    [{ startDetector: 1 }, /^option startDetector of latencyFaultTolerance of DefaultProducer is 1, true or false/],
    [{ detectInterval: 0 }, /option detectInterval of .* is 0, a whole number from 1 to 3600000 \(ms\) expected/],
    [{ detectTimeout: '200' }, /option detectTimeout of .* is '200', a whole number/],
    [{ latencyMax: 50 }, /option latencyMax of .* is 50, 1 to 32 different whole numbers in ascending order/],
    [{ latencyMax: [] }, /option latencyMax of .* is \[\], 1 to 32/],
    [{ latencyMax: Array.from({ length: 33 }, (_, i) => i) }, /option latencyMax of .*, 1 to 32/],
    [{ latencyMax: [50, 40], notAvailableDuration: [0, 1] }, /latencyMax of .* is \[ 50, 40 \], .* ascending order/],
    [{ latencyMax: [50, 50], notAvailableDuration: [0, 1] }, /latencyMax of .* is \[ 50, 50 \], .* different/],
    [{ latencyMax: [-1, 50], notAvailableDuration: [0, 1] }, /latencyMax of .* is \[ -1, 50 \], .* from 0 to 3600000/],
    [{ latencyMax: [0.5], notAvailableDuration: [0] }, /latencyMax of .* is \[ 0.5 \], .* whole numbers/],
    [{ latencyMax: ['50'], notAvailableDuration: [0] }, /latencyMax of .* is \[ '50' \]/],
    [{ latencyMax: [Number.NaN], notAvailableDuration: [0] }, /latencyMax of .* is \[ NaN \]/],
    [{ latencyMax: [3_600_001], notAvailableDuration: [0] }, /latencyMax of .* is \[ 3600001 \]/],
    [{ latencyMax: [1, 2], notAvailableDuration: [9, 8] }, /notAvailableDuration of .* is \[ 9, 8 \], .* ascending/],
    [
      { latencyMax: [1, 2] },
      /^notAvailableDuration in .* is \[ 0, 0, 2000, .* 2 entries instead of 7, as many as latencyMax/,
    ],
    [{ latencyMax: [1], notAvailableDuration: [1, 2] }, /1 entries instead of 2, as many as latencyMax has, expected$/],
  ])('is refused when it is %j', (value, message) => {
    expect(() => resolve(value)).toThrow(ClientError)
    expect(() => resolve(value)).toThrow(message)
  })

  it('may have the same duration for several latencies', () => {
    expect(resolve({ latencyMax: [1, 2], notAvailableDuration: [5, 5] })).toMatchObject({
      notAvailableDuration: [5, 5],
    })
  })
})
