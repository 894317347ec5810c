/** Bit 0 of `flag`: this frame is an answer. */
export const RESPONSE_FLAG = 1
/** Bit 1 of `flag`: nobody waits for an answer. */
export const ONEWAY_FLAG = 2

/** Ext fields of a header that is received. No command has more than some dozens. */
export const MAX_RECEIVED_FIELDS = 65_536

export type SerializeType = 'JSON' | 'ROCKETMQ'

/** What every frame carries, whatever its command (`RemotingCommand`). */
export interface FrameHead {
  code: number
  opaque: number
  flag: number
  remark?: string
}

/** What answers of one kind have in common. */
export type ResponseHead = Pick<RemotingCommand, 'code' | 'language' | 'version' | 'flag' | 'remark'>

/** This client's own `version` in every frame: 5.4.0, which says that GO_AWAY and standard-JSON routes are understood (`MQVersion`). */
export const CLIENT_VERSION = 493
/** Its name in Java's `MQVersion`. */
export const CLIENT_VERSION_NAME = 'V5_4_0'
/** `LanguageCode.OTHER`: brokers before 5.3 don't know NODE_JS and lose the client's language. */
export const LANGUAGE_CODE = 7
export const LANGUAGE_NAME = 'OTHER'

/** A decoded frame. Header fields are text until a command definition reads them. */
export class RemotingCommand {
  readonly code: number
  /** As it came: a name in a JSON header, a number in a binary one. */
  readonly language: string | number | undefined
  readonly version: number
  readonly opaque: number
  readonly flag: number
  readonly remark: string | undefined
  /** Raw fields: read by own name and only where the value is text. */
  readonly rawFields: Readonly<Record<string, unknown>> | undefined
  /** A view into the socket's chunk: it is never written again, and keeps that chunk alive. */
  readonly body: Buffer
  readonly serializeType: SerializeType

  constructor(
    code: number,
    language: string | number | undefined,
    version: number,
    opaque: number,
    flag: number,
    remark: string | undefined,
    rawFields: Readonly<Record<string, unknown>> | undefined,
    body: Buffer,
    serializeType: SerializeType,
  ) {
    this.code = code
    this.language = language
    this.version = version
    this.opaque = opaque
    this.flag = flag
    this.remark = remark
    this.rawFields = rawFields
    this.body = body
    this.serializeType = serializeType
  }

  get isResponse(): boolean {
    return (this.flag & RESPONSE_FLAG) !== 0
  }

  get isOneway(): boolean {
    return (this.flag & ONEWAY_FLAG) !== 0
  }

  /** The text of one header field. */
  field(name: string): string | undefined {
    const value = this.rawFields?.[name]
    return typeof value === 'string' ? value : undefined
  }

  /** A copy of all header fields, without a prototype. */
  get extFields(): Record<string, string> {
    const fields = Object.create(null) as Record<string, string>
    for (const name of Object.keys(this.rawFields ?? {})) {
      const value = this.field(name)
      if (value !== undefined) fields[name] = value
    }
    return fields
  }
}
