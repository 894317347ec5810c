import { inspect } from 'node:util'

const BRAND = Symbol.for('rocketmq-remoting.RocketMQError')

/** One try of a send, as listed in the error of a send that failed. */
export interface SendAttempt {
  readonly brokerName: string
  readonly queueId: number
  /** Where the request went; undefined when the route named no master for the broker. */
  readonly address: string | undefined
  /** How long the try took, in milliseconds. */
  readonly elapsed: number
  readonly code: string
  readonly message: string
  /** `'no'`: never written, or refused by the broker. `'unknown'`: written, and no answer came. */
  readonly stored: 'no' | 'unknown'
}

export interface RocketMQErrorOptions {
  readonly cause?: unknown
  readonly retryable?: boolean
}

/**
 * Base of every error this package rejects with or throws.
 *
 * `instanceof` works across two loaded copies of the package, because it looks at a `Symbol.for` brand.
 */
export class RocketMQError extends Error {
  /** Stable, for programs: see the table of error codes in the README. */
  readonly code: string
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retryable: boolean
  /** The tries of a send that failed, oldest first. */
  attempts?: readonly SendAttempt[]
  /** Of a send that failed: whether a broker may have stored the message all the same. */
  mayBeStored?: boolean

  constructor(code: string, message: string, options: RocketMQErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
  }

  override get name(): string {
    return 'RocketMQError'
  }

  get [BRAND](): string {
    return this.name
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    const brand = brandOf(value)
    // biome-ignore lint/complexity/noThisInStatic: a subclass inherits this check and must be compared by its own name
    const wanted = this.prototype.name
    return brand !== undefined && (wanted === 'RocketMQError' || wanted === brand)
  }
}

/** The caller's side: a bad argument or option, a client that is not started or already closed, an aborted call, no route. */
export class ClientError extends RocketMQError {
  /** Of an aborted call (`ABORTED`): whether bytes of the request were handed to the socket, so that the peer may have acted on it. */
  declare sent?: boolean

  override get name(): string {
    return 'ClientError'
  }
}

export interface RemotingErrorOptions extends RocketMQErrorOptions {
  /** `host:port` of the peer. */
  readonly address: string
  /** Whether bytes of the request were handed to the socket, so that the peer may have acted on it. */
  readonly sent?: boolean
}

/** Connecting, writing or waiting failed: the server gave no answer. */
export class RemotingError extends RocketMQError {
  readonly address: string
  readonly sent: boolean

  constructor(code: RemotingErrorCode, message: string, options: RemotingErrorOptions) {
    super(code, message, { retryable: true, ...options })
    this.address = options.address
    this.sent = options.sent ?? false
  }

  override get name(): string {
    return 'RemotingError'
  }
}

export type RemotingErrorCode =
  | 'CONNECT_FAILED'
  | 'CONNECT_TIMEOUT'
  | 'TLS_FAILED'
  | 'TIMEOUT'
  | 'CONNECTION_CLOSED'
  | 'PROTOCOL_ERROR'
  | 'TOO_MANY_REQUESTS'

/** What a server's access control has against a request. */
export interface AccessDenial {
  /** `'AUTHENTICATION'`: it does not know who asks: no credentials, or wrong ones. `'AUTHORIZATION'`: it does, and no rule allows it. */
  readonly kind: 'AUTHENTICATION' | 'AUTHORIZATION'
  /** Who asks, as the server calls it: `User:app`, or an access key. */
  readonly subject?: string
  /** What it was about, as the server calls it: `Topic:orders`, `Group:billing`. */
  readonly resource?: string
  /** The rule, or what is wrong with the credentials, in the server's words. */
  readonly reason: string
}

export interface BrokerErrorOptions extends RocketMQErrorOptions {
  readonly address: string
  readonly responseCode: number
  readonly responseName: string
  readonly remark: string
  readonly denial?: AccessDenial | undefined
  /** Default: `responseName`, or `NO_PERMISSION` where there is a denial. */
  readonly code?: string
}

/**
 * A server answered, and refused. `responseCode` and `remark` are the server's own.
 *
 * A refusal by its access control has `denial` and the code `NO_PERMISSION`, also from servers with ACL 1.0, whose own code for it is SYSTEM_ERROR. A request that a proxy
 * does not serve has the code `UNSUPPORTED_BY_BROKER`.
 */
export class BrokerError extends RocketMQError {
  readonly address: string
  readonly responseCode: number
  readonly responseName: string
  readonly remark: string
  declare readonly denial?: AccessDenial

  constructor(message: string, options: BrokerErrorOptions) {
    super(options.code ?? (options.denial === undefined ? options.responseName : 'NO_PERMISSION'), message, options)
    if (options.denial !== undefined) this.denial = options.denial
    this.address = options.address
    this.responseCode = options.responseCode
    this.responseName = options.responseName
    this.remark = options.remark
  }

  override get name(): string {
    return 'BrokerError'
  }
}

export type MessageErrorCode =
  | 'FRAME_MALFORMED'
  | 'HEADER_MALFORMED'
  | 'JSON_MALFORMED'
  | 'MESSAGE_MALFORMED'
  | 'BODY_CRC_MISMATCH'
  | 'BODY_TOO_LARGE'
  | 'DECOMPRESS_FAILED'
  | 'COMPRESSION_UNSUPPORTED'
  | 'INTEGER_OUT_OF_RANGE'

export interface MessageErrorOptions extends RocketMQErrorOptions {
  /** Byte position of the fault inside the data that was being read, where one is known. */
  readonly position?: number
}

/** Data from a server, or from a file, that can't be decoded. The message says which field, where and what was found. */
export class MessageError extends RocketMQError {
  readonly position: number | undefined

  constructor(code: MessageErrorCode, message: string, options: MessageErrorOptions = {}) {
    super(code, message, options)
    this.position = options.position
  }

  override get name(): string {
    return 'MessageError'
  }
}

/** True for every error of this package, also for those of another loaded copy of it. */
export function isRocketMQError(value: unknown): value is RocketMQError {
  return brandOf(value) !== undefined
}

/** A value as it is shown in an error message: short, on one line, never a whole body. */
export function shown(value: unknown): string {
  const text = inspect(value, {
    breakLength: Number.POSITIVE_INFINITY,
    depth: 1,
    maxArrayLength: 4,
    maxStringLength: 120,
  })
  return text.length > 200 ? `${text.slice(0, 200)}...` : text
}

function brandOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const brand = (value as { [BRAND]?: unknown })[BRAND]
  return typeof brand === 'string' ? brand : undefined
}
