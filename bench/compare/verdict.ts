import { type Interval, ratioInterval } from '../statistics.js'

/** `unclear`: more rounds are needed. */
export type Verdict = 'slower' | 'faster' | 'same' | 'unclear'

export interface Comparison {
  readonly verdict: Verdict
  /** CPU for one message now, divided by what it was. */
  readonly ratio: Interval
  readonly rounds: number
}

/** Each comparison that finds a change errs once in a hundred; a run makes about ten of them. */
const CONFIDENCE = 0.99
/** With fewer ratios the resamples are too much alike to tell anything. */
const LEAST_ROUNDS = 5
/** A change this large must be told from noise. */
const NOTICEABLE = 1.1
/** A certain change that is smaller than this is none to act upon. */
const NEGLIGIBLE = 1.03

/** How many times the rounds that were asked for a comparison gets as long as it is unclear. */
const LOOKS: readonly number[] = [1, 2, 4]

/** Most rounds of a comparison. */
export function mostRounds(asked: number): number {
  return asked * Math.max(...LOOKS)
}

/** Whether the verdict is asked for after that round: a look after each one would find something in the end, in noise as well. */
export function isLook(round: number, asked: number): boolean {
  return LOOKS.some((times) => times * asked === round)
}

/**
 * Tells a change from noise, by the ratios of rounds that followed each other.
 *
 * `slower`: the whole interval lies above 1, and the estimate is more than negligible. `same`: no slow-down of 10 % is in the interval, and none was found.
 * `unclear`: it holds both no change and a slow-down of 10 %, or there are too few rounds.
 */
export function judge(ratios: readonly number[]): Comparison {
  if (ratios.length === 0) throw new Error('no round has both builds')
  const ratio = ratioInterval(ratios, CONFIDENCE)
  return { verdict: verdictOf(ratio, ratios.length), ratio, rounds: ratios.length }
}

function verdictOf({ estimate, low, high }: Interval, rounds: number): Verdict {
  if (rounds < LEAST_ROUNDS) return 'unclear'
  if (low > 1 && estimate > NEGLIGIBLE) return 'slower'
  if (high < 1 && estimate < 1 / NEGLIGIBLE) return 'faster'
  return high < NOTICEABLE ? 'same' : 'unclear'
}
