import { MessageError, shown } from '../errors.js'
import { parseInteger } from './int64.js'

/** The Java types that stand in command headers. On the wire every value is text. */
export type JavaType = 'String' | 'int' | 'long' | 'boolean'

/** One field of a command header: its type here, its type in Java, its name on the wire. */
export interface HeaderField<T> {
  readonly javaType: JavaType
  readonly wireName: string | undefined
  readonly isOptional: boolean
  /** Only here to carry `T`. */
  readonly type?: T
}

export function string(wireName?: string): HeaderField<string> {
  return { javaType: 'String', wireName, isOptional: false }
}

export function int(wireName?: string): HeaderField<number> {
  return { javaType: 'int', wireName, isOptional: false }
}

export function long(wireName?: string): HeaderField<number> {
  return { javaType: 'long', wireName, isOptional: false }
}

export function boolean(wireName?: string): HeaderField<boolean> {
  return { javaType: 'boolean', wireName, isOptional: false }
}

export function optional<T>(field: HeaderField<T>): HeaderField<T | undefined> {
  return { javaType: field.javaType, wireName: field.wireName, isOptional: true }
}

/** Reads the text of one field, which a fault calls by its title. Any text but `true` is a false boolean, as in Java. */
export function parseField(type: JavaType, text: string, title: string): string | number | boolean {
  switch (type) {
    case 'String':
      return text
    case 'boolean':
      return text === 'true' || text.toLowerCase() === 'true'
    default: {
      const value = parseInteger(text, title)
      if (value === undefined || (type === 'int' && value !== (value | 0))) {
        throw new MessageError('HEADER_MALFORMED', `${title} is ${shown(text)}, which is no ${type}`)
      }
      return value
    }
  }
}

/** Whether a value can stand in a header as this Java type. */
export function isOfType(type: JavaType, value: unknown): boolean {
  switch (type) {
    case 'String':
      return typeof value === 'string'
    case 'boolean':
      return typeof value === 'boolean'
    case 'int':
      return typeof value === 'number' && value === (value | 0)
    case 'long':
      return Number.isSafeInteger(value)
  }
}
