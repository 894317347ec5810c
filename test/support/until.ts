/** Taken when this file is loaded, so that a test's fake timers don't stop the waiting. */
const realSetTimeout = globalThis.setTimeout
const realNow = performance.now.bind(performance)

const POLL_INTERVAL = 2

/**
 * Waits until `condition` gives something true, and gives that back.
 *
 * @param deadline - In milliseconds; generous, since only a failing test waits so long.
 * @throws when the condition does not come true in time: the error shows the condition.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  deadline = 10_000,
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const end = realNow() + deadline
  for (;;) {
    const value = await condition()
    if (value) return value as Exclude<T, false | null | undefined | 0 | ''>
    if (realNow() > end) throw new Error(`not true within ${deadline} ms: ${condition}`)
    await turn()
  }
}

/** Lets a few milliseconds of real time pass: sockets and promises go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => realSetTimeout(resolve, POLL_INTERVAL))
}

/** Lets what is ready now run, sockets included: for a test that something does not happen while other things do. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** The rejection of a promise; fails when it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    if (error instanceof Error) return error
    throw new Error(`rejected with what is no Error: ${String(error)}`)
  }
  throw new Error(`resolved with ${JSON.stringify(value)}, a rejection was expected`)
}
