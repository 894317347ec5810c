import { RemotingCommand, type ResponseHead } from './remoting-command.js'

/** Longer headers are rare, and not worth a look. */
const MAX_LENGTH = 1024
/** Servers have fewer kinds of answers that matter; what comes after that many is parsed. */
const MAX_SHAPES = 16
const QUOTE = 0x22
const BACKSLASH = 0x5c
const MAX_INT_DIGITS = 9

/** What has been seen, oldest first. */
const shapes: JsonShape[] = []

/**
 * Reads a JSON header that differs from one before only in its opaque and in the values of its fields; undefined: it has to be parsed.
 *
 * A client gets the same few kinds of answers all the time. To compare the text between the values takes two thirds of the time that `JSON.parse` does, which
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
  const shape = shapeOf(object, command)
  if (shape !== undefined) shapes.push(shape)
}

/** The texts between the values, and whose values those are. */
class JsonShape {
  readonly #head: ResponseHead
  /** Of the field whose value follows the text with the same number; undefined: it is the opaque. */
  readonly #names: readonly (string | undefined)[]
  readonly #between: readonly string[]
  readonly #end: string

  constructor(head: ResponseHead, names: readonly (string | undefined)[], between: readonly string[], end: string) {
    this.#head = head
    this.#names = names
    this.#between = between
    this.#end = end
  }

  read(text: string, body: Buffer): RemotingCommand | undefined {
    const fields: Record<string, string> = {}
    let opaque = 0
    let at = 0
    for (let i = 0; i < this.#names.length; i++) {
      const before = this.#between[i] as string
      if (!text.startsWith(before, at)) return undefined
      const start = at + before.length
      const name = this.#names[i]
      at = name === undefined ? endOfNumber(text, start) : endOfText(text, start)
      if (at < 0) return undefined
      if (name === undefined) opaque = Number(text.slice(start, at))
      else fields[name] = text.slice(start, at)
    }
    if (text.length !== at + this.#end.length || !text.endsWith(this.#end)) return undefined
    const { code, language, version, flag, remark } = this.#head
    return new RemotingCommand(code, language, version, opaque, flag, remark, fields, body, 'JSON')
  }
}

/** Where a text ends at its quotation mark; −1 when it is not as plain as it can be. */
function endOfText(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const c = text.charCodeAt(at)
    if (c === QUOTE) return at
    if (c < 0x20 || c > 0x7e || c === BACKSLASH) return -1
  }
  return -1
}

/** Where a number of some digits ends; −1 when it is none, or may be no int. */
function endOfNumber(text: string, start: number): number {
  let at = start
  while (at < text.length && text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++
  const digits = at - start
  const hasLeadingZero = digits > 1 && text.charCodeAt(start) === 0x30
  return digits === 0 || digits > MAX_INT_DIGITS || hasLeadingZero ? -1 : at
}

function shapeOf(object: Readonly<Record<string, unknown>>, command: RemotingCommand): JsonShape | undefined {
  const names: (string | undefined)[] = []
  const between: string[] = []
  let text = '{'
  for (const [index, key] of Object.keys(object).entries()) {
    text += `${index === 0 ? '' : ','}${JSON.stringify(key)}:`
    if (key === 'opaque') {
      names.push(undefined)
      between.push(text)
      text = ''
    } else if (key === 'extFields') {
      text += '{'
      const fields = Object.entries(object.extFields as Record<string, unknown>)
      for (const [place, [name, value]] of fields.entries()) {
        // As a name of its own, it could not be set.
        if (typeof value !== 'string' || name === '__proto__') return undefined
        between.push(`${text}${place === 0 ? '' : ','}${JSON.stringify(name)}:"`)
        names.push(name)
        text = '"'
      }
      text += '}'
    } else text += JSON.stringify(object[key])
  }
  const { code, language, version, flag, remark } = command
  return new JsonShape({ code, language, version, flag, remark }, names, between, `${text}}`)
}
