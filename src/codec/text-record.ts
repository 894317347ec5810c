import { inspect } from 'node:util'

/**
 * An empty object of texts that inherits no name, so that `__proto__` or `constructor` is plain data.
 *
 * One made by `Object.create(null)` is a hash table from birth, which costs half a microsecond more for each message read; this one is not.
 */
export function textRecord(): Record<string, string> {
  return new TextRecord() as unknown as Record<string, string>
}

interface TextRecordConstructor {
  new (): object
}

const TextRecord = function TextRecord() {} as unknown as TextRecordConstructor
const prototype = Object.create(null) as object
// Symbols are no names; without it, every printed message would show the strange prototype.
Object.defineProperty(prototype, inspect.custom, {
  value(this: object) {
    return { ...this }
  },
})
Object.defineProperty(TextRecord, 'prototype', { value: prototype })
