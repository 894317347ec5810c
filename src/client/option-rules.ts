import { ClientError, shown } from '../errors.js'

/** How one option is read: its default and what it may be. */
export interface OptionRule<T> {
  /** @throws {@link ClientError} `INVALID_OPTION` when the value does not fit. */
  read(value: unknown, name: string): T
}

type Values<R> = { [K in keyof R]: R[K] extends OptionRule<infer T> ? T : never }

/**
 * Resolves the options of a client: defaults filled in, every value checked, the input untouched.
 *
 * @param others - Further names that the owner takes and that are resolved elsewhere: an unknown one may be meant for one of them.
 * @throws {@link ClientError} `INVALID_OPTION` for a value that does not fit and for an unknown name, with the nearest known one.
 */
export function resolveOptions<R extends Record<string, OptionRule<unknown>>>(
  rules: R,
  options: unknown,
  owner: string,
  others: readonly string[] = [],
): Values<R> {
  if (typeof options !== 'object' || options === null) {
    throw new ClientError('INVALID_OPTION', `${owner} needs an options object, not ${shown(options)}`)
  }
  const given = options as Record<string, unknown>
  const names = Object.keys(rules)
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) throw unknownOption(name, [...names, ...others], owner)
  }
  const resolved: Record<string, unknown> = {}
  for (const name of names) {
    resolved[name] = rules[name]?.read(
      Object.hasOwn(given, name) ? given[name] : undefined,
      `option ${name} of ${owner}`,
    )
  }
  return resolved as Values<R>
}

/** A whole number within limits. */
export function wholeNumber(fallback: number, limits: { min: number; max: number; unit?: string }): OptionRule<number> {
  const { min, max, unit } = limits
  return {
    read(value, name) {
      if (value === undefined) return fallback
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
      throw invalid(name, value, `a whole number from ${min} to ${max}${unit === undefined ? '' : ` (${unit})`}`)
    },
  }
}

/** A duration in milliseconds, up to an hour. */
export function milliseconds(fallback: number, min = 1): OptionRule<number> {
  return wholeNumber(fallback, { min, max: 3_600_000, unit: 'ms' })
}

export function flag(fallback: boolean): OptionRule<boolean> {
  return {
    read(value, name) {
      if (value === undefined) return fallback
      if (typeof value === 'boolean') return value
      throw invalid(name, value, 'true or false')
    },
  }
}

export function oneOf<const T extends string>(values: readonly T[], fallback: T): OptionRule<T> {
  return {
    read(value, name) {
      if (value === undefined) return fallback
      const found = values.find((known) => known === value)
      if (found !== undefined) return found
      throw invalid(name, value, values.map((known) => `'${known}'`).join(' or '))
    },
  }
}

export function text(fallback: string): OptionRule<string> {
  return {
    read(value, name) {
      if (value === undefined) return fallback
      if (typeof value === 'string' && value !== '') return value
      throw invalid(name, value, 'a text')
    },
  }
}

/** A value whose default is undefined, and which has a check of its own otherwise. */
export function optionalValue<T>(accepts: (value: unknown) => value is T, expected: string): OptionRule<T | undefined> {
  return {
    read(value, name) {
      if (value === undefined || accepts(value)) return value
      throw invalid(name, value, expected)
    },
  }
}

/** A value that must be given, checked by `check`, which throws. */
export function required<T>(check: (value: unknown, name: string) => T): OptionRule<T> {
  return { read: check }
}

export function invalid(name: string, value: unknown, expected: string): ClientError {
  return new ClientError('INVALID_OPTION', `${name} is ${shown(value)}, ${expected} expected`)
}

function unknownOption(name: string, names: readonly string[], owner: string): ClientError {
  let nearest = ''
  let best = Number.POSITIVE_INFINITY
  for (const known of names) {
    const distance = editDistance(name.toLowerCase(), known.toLowerCase())
    if (distance < best) {
      best = distance
      nearest = known
    }
  }
  const hint = best <= Math.max(2, name.length / 2) ? `; did you mean ${nearest}?` : `; it has ${names.join(', ')}`
  return new ClientError('INVALID_OPTION', `${owner} has no option ${shown(name)}${hint}`)
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution))
    }
    row = next
  }
  return row[b.length] ?? 0
}
