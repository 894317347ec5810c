/** What secrets of the tests look like: `test/support/secrets.ts` makes them. */
const SECRET = /canary-[0-9a-f]{24}/
/** So much of the end of a piece of output may be the beginning of a secret. */
const OVERLAP = 40

/** Looks for secrets in output that comes piece by piece. */
export class LeakWatch {
  #end = ''
  #hasFound = false

  /** Whether there was a secret. */
  get hasFound() {
    return this.#hasFound
  }

  /** @param {string} text */
  look(text) {
    const joined = this.#end + text
    if (SECRET.test(joined)) this.#hasFound = true
    this.#end = joined.slice(-OVERLAP)
  }
}
