/** Beyond this many bytes one call of a built-in costs less than a loop. */
const LONG_RUN = 32

/** Copies `length` bytes from one buffer to another. */
export function copyRun(source: Buffer, from: number, target: Buffer, to: number, length: number): void {
  if (length > LONG_RUN) {
    source.copy(target, to, from, from + length)
    return
  }
  for (let index = 0; index < length; index++) target[to + index] = source[from + index] ?? 0
}

/** Repeats `length` bytes of `target` that begin `distance` bytes before `to`. They may overlap what is written. */
export function copyMatch(target: Buffer, to: number, distance: number, length: number): void {
  const end = to + length
  const from = to - distance
  if (length > LONG_RUN) {
    // What has been written is periodic, so each round may take twice as much of it.
    for (let at = to; at < end; ) {
      const part = Math.min(at - from, end - at)
      target.copyWithin(at, from, from + part)
      at += part
    }
    return
  }
  for (let at = to; at < end; at++) target[at] = target[at - distance] ?? 0
}
