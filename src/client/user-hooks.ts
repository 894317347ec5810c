import type { Logger } from '../logger.js'
import { invalid, type OptionRule } from './option-rules.js'

/** The option `hooks`: one set of functions of the user or several. @param names - What the functions may be called. */
export function hooksRule<H>(names: readonly string[]): OptionRule<readonly H[]> {
  return {
    read(value, name) {
      if (value === undefined) return []
      const list: unknown[] = Array.isArray(value) ? value : [value]
      for (const hooks of list) {
        const isFit = typeof hooks === 'object' && hooks !== null
        if (!isFit) throw invalid(name, hooks, 'an object with functions, or a list of them')
        for (const key of names) {
          const hook = (hooks as Record<string, unknown>)[key]
          if (hook !== undefined && typeof hook !== 'function') throw invalid(`${key} of ${name}`, hook, 'a function')
        }
      }
      return list as H[]
    },
  }
}

/** What {@link callHook} gives back of a hook that threw. */
export const HOOK_FAILED = Symbol('hook failed')

/** Calls a hook of the user. What it throws, and what a promise of it rejects with, is theirs: the logger is told, and nothing fails. */
export function callHook(logger: Logger, name: string, hook: () => unknown): unknown {
  const onError = (error: unknown) => logger.warn(`hook ${name} threw`, { error })
  try {
    const result = hook()
    if (isThenable(result)) result.then(undefined, onError)
    return result
  } catch (error) {
    onError(error)
    return HOOK_FAILED
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
