import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeProperties, encodeProperties, findProperty } from '../../src/codec/properties.js'
import { golden } from './golden.js'

type PropertiesCase =
  | {
      readonly kind: 'encode'
      readonly name: string
      readonly entries: readonly (readonly [string, string | null])[]
      readonly text: string
    }
  | { readonly kind: 'decode'; readonly text: string; readonly properties: Readonly<Record<string, string>> }

const cases = golden<PropertiesCase>('properties')
const encoded = cases.filter((one) => one.kind === 'encode')
const decoded = cases.filter((one) => one.kind === 'decode')

/** An object without a prototype, so that `__proto__` is a name like others. */
function propertiesOf(entries: Iterable<readonly [string, string]>): Record<string, string> {
  const properties = Object.create(null) as Record<string, string>
  for (const [name, value] of entries) properties[name] = value
  return properties
}

describe('property strings that Java made', () => {
  it.each(encoded)('are written as Java writes them: $name', ({ entries, text }) => {
    // Java leaves out null values, which no caller here can have.
    const given = entries.filter((entry): entry is [string, string] => entry[1] !== null)
    expect(encodeProperties(propertiesOf(given))).toBe(text)
  })

  it.each(decoded)('are read as Java reads them: $text', ({ text, properties }) => {
    const own = decodeProperties(text)
    expect(Object.entries(own).sort()).toEqual(Object.entries(properties).sort())
    for (const name of Object.keys(properties)) expect(findProperty(text, name)).toBe(properties[name])
  })
})

const plain = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((text) => !text.includes('\u0001') && !text.includes('\u0002'))
/** Names that are parts and ends of each other. */
const name = fc.oneof(
  plain,
  fc.constantFrom('TAGS', 'TAG', 'AGS', 'MY_TAGS', 'TAGS2', '__proto__', 'constructor', 'toString'),
)

describe('property strings', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, plain), { maxLength: 10 }), (entries) => {
        const properties = propertiesOf(entries)
        const text = encodeProperties(properties)
        expect(decodeProperties(text)).toEqual(properties)
        expect(decodeProperties(text.slice(0, -1))).toEqual(properties)
      }),
    )
  })

  it('give each property alone the value it has among all, whatever the text', () => {
    const piece = fc.constantFrom('a', 'b', 'ab', 'TAGS', '\u0001', '\u0002', '\u0001\u0002', 'x\u0001y\u0002', ' ')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const text = pieces.join('')
        const all = decodeProperties(text)
        for (const wanted of ['a', 'b', 'ab', 'TAGS', 'x', ' ', 'c']) {
          expect(findProperty(text, wanted), JSON.stringify(text)).toBe(all[wanted])
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('inherit no name and reach no prototype', () => {
    const properties = decodeProperties('__proto__\u0001x\u0002constructor\u0001y\u0002')
    expect(Object.entries(properties)).toContainEqual(['__proto__', 'x'])
    expect(decodeProperties('').toString).toBeUndefined()
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })

  it('are gone through once, also when they are full of pieces without a value', () => {
    // Searched anew at each piece, this text would be read ten thousand million times over.
    const text = `${'abc\u0002'.repeat(1_000_000)}k\u0001v`
    expect(Object.entries(decodeProperties(text))).toEqual([['k', 'v']])
    expect(findProperty(text, 'k')).toBe('v')
  })
})
