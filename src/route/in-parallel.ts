/** Does the work for each item, a few at a time. Rejects with the first failure, when the others that run have ended. */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const next = items[Symbol.iterator]()
  const worker = async () => {
    for (let item = next.next(); !item.done; item = next.next()) await work(item.value)
  }
  const results = await Promise.allSettled(Array.from({ length: atOnce }, worker))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
