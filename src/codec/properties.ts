import { textRecord } from './text-record.js'

const NAME_VALUE_SEPARATOR = '\u0001'
const PROPERTY_SEPARATOR = '\u0002'

export type Properties = Record<string, string>

/** `name 0x01 value 0x02` for each property, as `MessageDecoder.messageProperties2String` writes it. */
export function encodeProperties(properties: Readonly<Properties>): string {
  let text = ''
  for (const name in properties) {
    text += name + NAME_VALUE_SEPARATOR + properties[name] + PROPERTY_SEPARATOR
  }
  return text
}

/**
 * Reads a property string with the tolerance of `MessageDecoder.string2messageProperties`: a last separator may be missing, pieces that are too short
 * or have no name or value are left out, the last of two equal names wins. The result inherits no name, so one such as `__proto__` is plain data.
 */
export function decodeProperties(text: string): Properties {
  const properties: Properties = textRecord()
  const length = text.length
  let index = 0
  let separator = -1
  while (index < length) {
    let end = text.indexOf(PROPERTY_SEPARATOR, index)
    if (end < 0) end = length
    if (end - index >= 3) {
      // Searched anew only when it lies behind: else a text full of pieces without one would be gone through again and again.
      if (separator < index) separator = text.indexOf(NAME_VALUE_SEPARATOR, index)
      if (separator < 0) break
      if (separator > index && separator < end - 1) {
        properties[text.slice(index, separator)] = text.slice(separator + 1, end)
      }
    }
    index = end + 1
  }
  return properties
}

/** The value of one property, found without reading the others; the last one where a name stands twice. */
export function findProperty(text: string, name: string): string | undefined {
  const wanted = name + NAME_VALUE_SEPARATOR
  let from = text.length
  while (from >= 0) {
    const at = text.lastIndexOf(wanted, from)
    if (at < 0) return undefined
    if (at === 0 || text.charCodeAt(at - 1) === 2) {
      const start = at + wanted.length
      const end = text.indexOf(PROPERTY_SEPARATOR, start)
      const value = text.slice(start, end < 0 ? undefined : end)
      if (value !== '') return value
    }
    from = at - 1
  }
  return undefined
}
