import { ClientError, MessageError, shown } from '../errors.js'
import type { ByteWriter } from './byte-writer.js'
import { type HeaderField, isOfType, type JavaType, parseField } from './header-field.js'
import type { NamespaceFields } from './namespace-fields.js'
import type { RemotingCommand } from './remoting-command.js'

export type HeaderFields = Readonly<Record<string, HeaderField<unknown>>>

type RequiredNames<F> = {
  [K in keyof F]: F[K] extends HeaderField<infer T> ? (undefined extends T ? never : K) : never
}[keyof F]
type ValueOf<F> = F extends HeaderField<infer T> ? T : never

/** The plain object that a set of header fields describes. */
export type Header<F> = { [K in RequiredNames<F>]: ValueOf<F[K]> } & {
  [K in Exclude<keyof F, RequiredNames<F>>]?: ValueOf<F[K]>
}

export interface CommandDefinition<Q extends HeaderFields, S extends HeaderFields> {
  readonly code: number
  readonly name: string
  /** Simple name of the Java class of the request header; the conformance test compares the fields with it. */
  readonly javaHeader?: string
  readonly javaResponseHeader?: string
  readonly requestHeader?: Q
  readonly responseHeader?: S
  /** Response codes that are answers and not failures. Default: only SUCCESS (0). */
  readonly ok?: readonly number[]
}

/** One wire command, made once from its definition: everything that must be known to speak it. */
export interface Command<Q, S> {
  readonly code: number
  readonly name: string
  readonly javaHeader: string | undefined
  readonly javaResponseHeader: string | undefined
  readonly ok: readonly number[]
  readonly request: HeaderCodec<Q>
  readonly response: HeaderCodec<S>
}

export type HeaderOf<C> = C extends Command<infer Q, infer _S> ? Q : never
export type ResponseHeaderOf<C> = C extends Command<infer _Q, infer S> ? S : never

/**
 * Defines a wire command. Encoding and decoding are compiled here, once.
 *
 * @param definition - Names of fields are this client's; a field's wire name is given where it differs.
 */
export function defineCommand<
  const Q extends HeaderFields = Record<never, never>,
  const S extends HeaderFields = Record<never, never>,
>(definition: CommandDefinition<Q, S>): Command<Header<Q>, Header<S>> {
  return {
    code: definition.code,
    name: definition.name,
    javaHeader: definition.javaHeader,
    javaResponseHeader: definition.javaResponseHeader,
    ok: definition.ok ?? [0],
    request: new HeaderCodec<Header<Q>>(definition.name, definition.requestHeader ?? {}),
    response: new HeaderCodec<Header<S>>(definition.name, definition.responseHeader ?? {}),
  }
}

export interface CompiledField {
  readonly name: string
  readonly wireName: string
  readonly javaType: JavaType
  readonly isOptional: boolean
  /** Length and bytes of the name, as they stand in a binary header. */
  readonly wireKey: Buffer
  /** The name as it stands in a JSON header, colon included. */
  readonly jsonKey: string
  /** What a fault calls it. Made once: it would cost as much as reading the field. */
  readonly title: string
}

/** Writes and reads one header in both encodings. */
export class HeaderCodec<T> {
  readonly fields: readonly CompiledField[]
  readonly #command: string
  #signingOrder: readonly SignedEntry[] | undefined

  constructor(command: string, fields: HeaderFields) {
    this.#command = command
    this.fields = Object.entries(fields).map(([name, field]) => compile(name, field, command))
  }

  /**
   * Writes the entries of a binary header's ext-field block.
   *
   * @throws {@link ClientError} `INVALID_ARGUMENT` for a missing or unfit value.
   */
  writeRocketmq(writer: ByteWriter, header: T): void {
    const values = header as Record<string, unknown>
    for (const field of this.fields) {
      const value = values[field.name]
      if (!this.#isGiven(field, value)) continue
      writer.bytes(field.wireKey)
      const at = writer.position
      writer.int32(0)
      const length = typeof value === 'number' ? writer.decimal(value) : writer.utf8(String(value))
      writer.patchInt32(at, length)
    }
  }

  /** The text of the `extFields` object of a JSON header. @throws as {@link HeaderCodec.writeRocketmq}. */
  toJson(header: T): string {
    const values = header as Record<string, unknown>
    let text = '{'
    for (const field of this.fields) {
      const value = values[field.name]
      if (!this.#isGiven(field, value)) continue
      const quoted = typeof value === 'string' ? JSON.stringify(value) : `"${String(value)}"`
      text += (text.length > 1 ? ',' : '') + field.jsonKey + quoted
    }
    return `${text}}`
  }

  /**
   * The values of a header that was written, and of the fields that say who signs it and in which namespace, in the order of their names: what a signature covers beside
   * the body.
   *
   * @see AclClientRPCHook.parseRequestContent
   */
  signedText(header: T, accessKey: string, securityToken: string, namespace: NamespaceFields | undefined): string {
    const values = header as Record<string, unknown>
    this.#signingOrder ??= signingOrder(this.fields)
    let text = ''
    for (const entry of this.#signingOrder) {
      if (entry === 'AccessKey') text += accessKey
      else if (entry === 'SecurityToken') text += securityToken
      else if (entry === 'ns' || entry === 'nsd') {
        if (namespace !== undefined) text += namespace[entry]
      } else {
        const value = values[entry.name]
        if (value !== undefined) text += value
      }
    }
    return text
  }

  /** Whether a value is an empty text. In a binary header it stands for no value, which is not what JSON and a signature say. */
  hasEmptyText(header: T): boolean {
    const values = header as Record<string, unknown>
    for (const field of this.fields) if (values[field.name] === '') return true
    return false
  }

  /**
   * Reads the header of a frame.
   *
   * @throws {@link MessageError} `HEADER_MALFORMED` for a missing required field, and for a value that is not of its type.
   */
  read(command: RemotingCommand): T {
    const header: Record<string, unknown> = {}
    for (const field of this.fields) {
      const text = command.field(field.wireName)
      if (text === undefined) {
        if (field.isOptional) continue
        throw new MessageError('HEADER_MALFORMED', `${field.title} is missing`)
      }
      header[field.name] = parseField(field.javaType, text, field.title)
    }
    return header as T
  }

  /** Callers are typed; what their callers pass is not always: a fault must not leave half a header. */
  #isGiven(field: CompiledField, value: unknown): boolean {
    if (value === undefined && field.isOptional) return false
    if (!isOfType(field.javaType, value)) throw unfit(field, value, this.#command)
    return true
  }
}

function unfit(field: CompiledField, value: unknown, command: string): ClientError {
  return new ClientError(
    'INVALID_ARGUMENT',
    `${field.name} of ${command} is ${shown(value)}, a Java ${field.javaType} is expected`,
  )
}

/** A field of the header, or one of those that a signature or a namespace adds. */
type SignedEntry = CompiledField | 'AccessKey' | 'SecurityToken' | 'ns' | 'nsd'

/** By the names on the wire, in the order of their UTF-16 units, as Java sorts. */
function signingOrder(fields: readonly CompiledField[]): readonly SignedEntry[] {
  const nameOf = (entry: SignedEntry) => (typeof entry === 'string' ? entry : entry.wireName)
  const entries: SignedEntry[] = [...fields, 'AccessKey', 'SecurityToken', 'ns', 'nsd']
  return entries.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

function compile(name: string, field: HeaderField<unknown>, command: string): CompiledField {
  const wireName = field.wireName ?? name
  const text = Buffer.from(wireName)
  const wireKey = Buffer.alloc(2 + text.length)
  wireKey.writeInt16BE(text.length)
  text.copy(wireKey, 2)
  const jsonKey = `${JSON.stringify(wireName)}:`
  const { javaType, isOptional } = field
  return { name, wireName, javaType, isOptional, wireKey, jsonKey, title: `header field ${wireName} of ${command}` }
}
