import { RemotingCommand, type ResponseHead } from './remoting-command.js'

/** Longer headers are rare, and not worth a look. */
const MAX_LENGTH = 1024
/** Servers have fewer kinds of answers that matter; what comes after that many is parsed. */
const MAX_SHAPES = 16
/** A text as plain as it can be: no quotation mark, nothing escaped, nothing beyond ASCII. */
const PLAIN_TEXT = '([ !#-[\\]-~]*)'
/** A number that is surely an int. */
const PLAIN_INT = '(0|[1-9][0-9]{0,8})'

/** What has been seen, oldest first. */
const shapes: JsonShape[] = []

/**
 * Reads a JSON header that differs from one before only in its opaque and in the values of its fields; undefined: it has to be parsed.
 *
 * A client gets the same few kinds of answers all the time. A regular expression made for each kind takes less than half of the time that `JSON.parse` does, which
 * was the largest single part of a send.
 */
export function readByShape(header: Buffer, body: Buffer): RemotingCommand | undefined {
  if (header.length > MAX_LENGTH || shapes.length === 0) return undefined
  const text = header.toString('latin1')
  for (let i = 0; i < shapes.length; i++) {
    const command = (shapes[i] as JsonShape).read(text, body)
    if (command !== undefined) return command
  }
  return undefined
}

/** Remembers a parsed header of an answer. Those that are not written in the shortest way, or have more than ASCII, are not worth it. */
export function learnShape(header: Buffer, object: Readonly<Record<string, unknown>>, command: RemotingCommand): void {
  if (shapes.length >= MAX_SHAPES || header.length > MAX_LENGTH || command.code !== 0 || !command.isResponse) return
  if (command.rawFields === undefined) return
  const text = header.toString('latin1')
  if (!/^[\x20-\x7e]*$/.test(text) || JSON.stringify(object) !== text) return
  const shape = shapeOf(object)
  if (shape === undefined) return
  const { code, language, version, flag, remark } = command
  shapes.push(new JsonShape({ code, language, version, flag, remark }, shape))
}

/** What headers of one kind have in common, and whose values the others are. */
class JsonShape {
  readonly #head: ResponseHead
  readonly #names: Shape['names']
  readonly #pattern: RegExp

  constructor(head: ResponseHead, { names, pattern }: Shape) {
    this.#head = head
    this.#names = names
    this.#pattern = new RegExp(pattern)
  }

  read(text: string, body: Buffer): RemotingCommand | undefined {
    const values = this.#pattern.exec(text)
    if (values === null) return undefined
    const fields: Record<string, string> = {}
    let opaque = 0
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i]
      const value = values[i + 1] as string
      if (name === undefined) opaque = Number(value)
      else fields[name] = value
    }
    const { code, language, version, flag, remark } = this.#head
    return new RemotingCommand(code, language, version, opaque, flag, remark, fields, body, 'JSON')
  }
}

interface Shape {
  /** Of the field that each group of the pattern is the value of; undefined: it is the opaque. */
  readonly names: readonly (string | undefined)[]
  /** Source of a regular expression: what servers wrote stands for itself in it, and no value goes on over the mark that ends it, so that its time grows no faster than the text. */
  readonly pattern: string
}

/** How headers look that differ from this one in their opaque and their values only; undefined where they are not worth it. */
export function shapeOf(object: Readonly<Record<string, unknown>>): Shape | undefined {
  const names: (string | undefined)[] = []
  let pattern = literally('{')
  for (const [index, key] of Object.keys(object).entries()) {
    pattern += literally(`${index === 0 ? '' : ','}${JSON.stringify(key)}:`)
    if (key === 'opaque') {
      names.push(undefined)
      pattern += PLAIN_INT
    } else if (key === 'extFields') {
      pattern += literally('{')
      const fields = Object.entries(object.extFields as Record<string, unknown>)
      for (const [place, [name, value]] of fields.entries()) {
        // As a name of its own, it could not be set.
        if (typeof value !== 'string' || name === '__proto__') return undefined
        pattern += `${literally(`${place === 0 ? '' : ','}${JSON.stringify(name)}:"`)}${PLAIN_TEXT}"`
        names.push(name)
      }
      pattern += literally('}')
    } else pattern += literally(JSON.stringify(object[key]))
  }
  return { names, pattern: `^${pattern}${literally('}')}$` }
}

/** The pattern that matches a text and nothing else. */
function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
