/** In milliseconds. */
const FIRST_POLL_TIME = 1_000
const MAX_DOUBLINGS = 10

/**
 * How long to wait at a broker for messages to pop.
 *
 * A message that comes while a broker finds nothing and is about to have the asker wait does not end that wait: it lies there until the next one comes, or the time of the
 * wait is over. That happens where messages come, so the first wait behind one is short, and those after it grow.
 *
 * @param emptyAnswers - How many waits in a row have ended without a message.
 * @param max - In milliseconds.
 */
export function pollTime(emptyAnswers: number, max: number): number {
  return Math.min(max, FIRST_POLL_TIME * 2 ** Math.min(emptyAnswers, MAX_DOUBLINGS))
}
