import { DEFAULT_MAX_FRAME_SIZE } from '../codec/frame.js'
import type { SerializeType } from '../codec/remoting-command.js'
import { ClientError } from '../errors.js'
import { type Logger, silentLogger } from '../logger.js'
import { parseAddress } from '../remoting/address.js'
import { flag, invalid, milliseconds, type OptionRule, oneOf, optionalValue, wholeNumber } from './option-rules.js'

/** What a `Client` takes. Times are in milliseconds, sizes in bytes. */
export interface ConnectionOptions {
  /**
   * The NameServers: `'host:port;host:port'` or a list. Host names are resolved anew on every connect; IPv6 as `[::1]:9876`.
   * Default: the environment variable `NAMESRV_ADDR`.
   */
  namesrvAddr?: string | readonly string[]
  /** Part of the client id. Default: the process id and a random word, so that no two clients are taken for one. */
  instanceName?: string
  /** Appended to the client id, as in Java. */
  unitName?: string
  /** Send through the broker's second port, `listenPort` − 2. Default `false`. */
  vipChannel?: boolean
  /** Where to dial for an address that a route names, for brokers that advertise one which this host can't reach. */
  addressMap?: (address: string) => string
  /** For one request. Default 3000. */
  requestTimeout?: number
  /** For one connect. Default 3000. */
  connectTimeout?: number
  /** Encoding of request headers; both are always understood. Default `'ROCKETMQ'`, the binary one, which costs half as much. */
  serializeType?: SerializeType
  /** Bytes waiting for one socket above which further requests to that address wait. Default 1 MiB, 64 KiB at least. */
  sendBufferSize?: number
  /** A longer frame closes its connection with an error. Default 16 MiB, as in Java. */
  maxFrameSize?: number
  /** Between two refreshes of routes. Default 30000. */
  pollNameServerInterval?: number
  /** Between two heartbeats. Default 30000; brokers forget a client after 120000. */
  heartbeatBrokerInterval?: number
  /** Default: silent. */
  logger?: Logger
}

export interface ResolvedClientOptions {
  readonly namesrvAddr: readonly string[]
  readonly instanceName: string | undefined
  readonly unitName: string | undefined
  readonly vipChannel: boolean
  readonly addressMap: (address: string) => string
  readonly requestTimeout: number
  readonly connectTimeout: number
  readonly serializeType: SerializeType
  readonly sendBufferSize: number
  readonly maxFrameSize: number
  readonly pollNameServerInterval: number
  readonly heartbeatBrokerInterval: number
  readonly logger: Logger
}

const isText = (value: unknown): value is string => typeof value === 'string' && /^[\w.#:-]+$/.test(value)

/** The rules of all options that belong to a `Client`. */
export const clientOptionRules = {
  namesrvAddr: { read: readNameServers } satisfies OptionRule<readonly string[]>,
  instanceName: optionalValue(isText, 'letters, digits and . # : _ -'),
  unitName: optionalValue(isText, 'letters, digits and . # : _ -'),
  vipChannel: flag(false),
  addressMap: { read: readAddressMap } satisfies OptionRule<(address: string) => string>,
  requestTimeout: milliseconds(3000),
  connectTimeout: milliseconds(3000),
  serializeType: oneOf(['ROCKETMQ', 'JSON'], 'ROCKETMQ'),
  sendBufferSize: wholeNumber(1024 * 1024, { min: 64 * 1024, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  maxFrameSize: wholeNumber(DEFAULT_MAX_FRAME_SIZE, { min: 1024, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  pollNameServerInterval: milliseconds(30_000, 10),
  heartbeatBrokerInterval: milliseconds(30_000, 10),
  logger: { read: readLogger } satisfies OptionRule<Logger>,
}

/** Names of the options that a shared `client` already has. */
export const CLIENT_OPTION_NAMES: readonly string[] = Object.keys(clientOptionRules)

function readNameServers(value: unknown, name: string): readonly string[] {
  const given = value ?? process.env.NAMESRV_ADDR
  const list = typeof given === 'string' ? given.split(/[;,]/) : given
  if (!Array.isArray(list)) {
    throw new ClientError(
      'NO_NAME_SERVER',
      `${name} is missing: give the NameServers as 'host:port;host:port', or set NAMESRV_ADDR`,
    )
  }
  const addresses: string[] = []
  for (const item of list) {
    if (typeof item !== 'string') throw invalid(name, item, `'host:port' texts`)
    const address = item.trim()
    if (address === '') continue
    parseAddress(address, name)
    if (!addresses.includes(address)) addresses.push(address)
  }
  if (addresses.length === 0)
    throw new ClientError('NO_NAME_SERVER', `${name} names no NameServer; give 'host:port;host:port'`)
  return addresses
}

function readAddressMap(value: unknown, name: string): (address: string) => string {
  if (value === undefined) return (address) => address
  if (typeof value === 'function') return value as (address: string) => string
  throw invalid(name, value, 'a function (address) => address')
}

function readLogger(value: unknown, name: string): Logger {
  if (value === undefined) return silentLogger
  const logger = value as Partial<Record<keyof Logger, unknown>> | null
  const methods = ['debug', 'info', 'warn', 'error'] as const
  if (
    logger !== null &&
    typeof logger === 'object' &&
    methods.every((method) => typeof logger[method] === 'function')
  ) {
    return logger as Logger
  }
  throw invalid(name, value, 'an object with debug, info, warn and error')
}
