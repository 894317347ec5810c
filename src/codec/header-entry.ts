/** The name of a header field, as it stands in a binary header. */
export function headerName(text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** A field of a binary header that is the same in many requests. */
export function headerEntry(name: string, value: string): Buffer {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([headerName(name), length, bytes])
}

/** The `extFields` object of a JSON header with more fields in it. @param more - Their text, without braces. */
export function withJsonFields(fields: string, more: string): string {
  return `${fields.slice(0, -1)}${fields.length > 2 ? ',' : ''}${more}}`
}
