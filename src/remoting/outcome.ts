/**
 * Told once what becomes of something: an object in the place of a promise. Of what is under way in thousands, each promise of a layer would be kept as long as
 * the work takes, and the garbage collector would copy it again and again. Neither function throws.
 */
export interface Outcome<T> {
  resolve(result: T): void
  reject(error: unknown): void
}

/** A promise of what begins here. */
export function promised<T>(begin: (outcome: Outcome<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => begin({ resolve, reject }))
}

/** Tells what becomes of a promise. */
export function settle<T>(outcome: Outcome<T>, promise: Promise<T>): void {
  promise.then(
    (result) => outcome.resolve(result),
    (error: unknown) => outcome.reject(error),
  )
}
