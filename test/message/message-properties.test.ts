import { describe, expect, it } from 'vitest'
import { MessageProperty, RESERVED_PROPERTIES } from '../../src/message/message-properties.js'

describe('RESERVED_PROPERTIES', () => {
  it('hold every name that this client itself writes', () => {
    expect(Object.values(MessageProperty).filter((name) => !RESERVED_PROPERTIES.has(name))).toEqual([])
  })

  it.each(['traceId', 'tags', 'keys', '__proto__', 'constructor', ''])('leave %j to users', (name) => {
    expect(RESERVED_PROPERTIES.has(name)).toBe(false)
  })
})
