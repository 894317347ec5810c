import Long from 'long'
import { shown } from '../errors.js'
import { JsonEntries } from './fastjson.js'

/**
 * A value of a server's JSON as it is shown in an error message. Lists and objects are only named: a hostile one has millions of members,
 * and to show it takes seconds.
 */
export function shownJson(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (Long.isLong(value)) return value.toString()
  if (value instanceof JsonEntries) return 'a map whose keys are objects'
  return typeof value === 'object' && value !== null ? 'an object' : shown(value)
}
