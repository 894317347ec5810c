import { DEFAULT_MAX_FRAME_SIZE } from '../codec/frame.js'
import { NamespaceFields } from '../codec/namespace-fields.js'
import type { SerializeType } from '../codec/remoting-command.js'
import { ClientError } from '../errors.js'
import { guardLogger, type Logger, silentLogger } from '../logger.js'
import { CredentialSource } from '../remoting/credential-source.js'
import { type Credentials, type CredentialsProvider, credentialsFault } from '../remoting/credentials.js'
import { type SocksProxy, type SocksProxySelector, SocksRoutes } from '../remoting/socks-proxy.js'
import { TlsDialler } from '../remoting/tls-dialler.js'
import { checkTlsOptions, type TlsOptions } from '../remoting/tls-options.js'
import { AddressServer, splitAddresses } from '../route/address-server.js'
import {
  flag,
  invalid,
  milliseconds,
  type OptionRule,
  oneOf,
  optionalValue,
  resolveOptions,
  wholeNumber,
} from './option-rules.js'

/** What a `Client` takes. Times are in milliseconds, sizes in bytes. */
export interface ConnectionOptions {
  /**
   * The NameServers: `'host:port;host:port'` or a list. Host names are resolved anew on every connect; IPv6 as `[::1]:9876`.
   * Default: the environment variable `NAMESRV_ADDR`.
   */
  namesrvAddr?: string | readonly string[]
  /**
   * Instead of `namesrvAddr`: the URL (`http:` or `https:`) of a web server whose answer is the list of NameServers, `host:port;host:port`, in its first line. It is asked at the start and
   * every `fetchNameServerAddrInterval`; an answer that is no list is reported and changes nothing. With `unitName`, `-unitName?nofix=1` is appended, as by Java. Default: none.
   *
   * @see DefaultTopAddressing
   */
  nameServerUrl?: string | URL
  /** Between two questions to `nameServerUrl`. Default 120000, as in Java. */
  fetchNameServerAddrInterval?: number
  /** Part of the client id. Default: the process id and a random word, so that no two clients are taken for one. */
  instanceName?: string
  /**
   * Signs every request, for clusters with access control (ACL 1.0 and 2.0): fixed credentials, or a function that hands out those of now, such as temporary ones
   * of an STS. What it gives is kept until shortly before its `expiration`, or for a minute.
   */
  credentials?: Credentials | CredentialsProvider
  /**
   * Encrypts all connections, to NameServers and brokers. `true`: with the authorities that Node.js trusts. Certificates may be PEM or paths of files; files are
   * read again for each new connection. Servers are verified unless `rejectUnauthorized` is `false`. Default `false`.
   */
  tls?: boolean | TlsOptions
  /** Put before the names of topics and groups, as `namespace%topic`, as Java's namespace v1. The names in your program stay without it. */
  namespace?: string
  /**
   * Told to servers with every request, beside the names of topics and groups, which stay as they are (Java's namespace v2, header fields `ns` and `nsd`). What it means is up to
   * the servers; those of Apache up to 5.5 do not separate names by it.
   */
  namespaceV2?: string
  /** Appended to the client id, as in Java. */
  unitName?: string
  /** Send through the broker's second port, `listenPort` − 2. Default `false`. */
  vipChannel?: boolean
  /** Where to dial for an address that a route names, for brokers that advertise one which this host can't reach. */
  addressMap?: (address: string) => string
  /**
   * Dials NameServers and brokers by a SOCKS5 proxy: one for all, or a function that gives the proxy for an address, or undefined for none. Host names are resolved by the proxy; TLS
   * goes through it, end to end. `nameServerUrl` is asked without it. Default: none.
   *
   * @see SocksProxyConfig
   */
  socksProxy?: SocksProxy | SocksProxySelector
  /** For one request. Default 3000. */
  requestTimeout?: number
  /** For one connect. Default 3000. */
  connectTimeout?: number
  /** Encoding of request headers; both are always understood. Default `'ROCKETMQ'`, the binary one, which costs half as much. */
  serializeType?: SerializeType
  /** Bytes waiting for one socket above which further requests to that address wait. Default 1 MiB, 64 KiB at least. */
  sendBufferSize?: number
  /** Bytes of the slabs that a connection reads to. A message that is kept keeps one or two of them. Default 256 KiB, 16 KiB at least. */
  receiveBufferSize?: number
  /** A longer frame closes its connection with an error. Default 16 MiB, as in Java. */
  maxFrameSize?: number
  /** Between two refreshes of routes. Default 30000. */
  pollNameServerInterval?: number
  /** Between two heartbeats. Default 30000; brokers forget a client after 120000. */
  heartbeatBrokerInterval?: number
  /** Leave subscriptions out of heartbeats to brokers that know them already (5.2 on). Default `false`, as in Java. */
  useHeartbeatV2?: boolean
  /** Default: silent. */
  logger?: Logger
}

export interface ResolvedClientOptions {
  /** Empty where there is an address server. */
  readonly namesrvAddr: readonly string[]
  /** Keeps what is secret in its URL to itself. */
  readonly nameServerUrl: AddressServer | undefined
  readonly fetchNameServerAddrInterval: number
  /** Keeps its secrets to itself. */
  readonly credentials: CredentialSource | undefined
  /** Keeps its secrets to itself. */
  readonly tls: TlsDialler | undefined
  readonly instanceName: string | undefined
  readonly namespace: string | undefined
  readonly namespaceV2: NamespaceFields | undefined
  readonly unitName: string | undefined
  readonly vipChannel: boolean
  readonly addressMap: (address: string) => string
  /** Keeps its secrets to itself. */
  readonly socksProxy: SocksRoutes | undefined
  readonly requestTimeout: number
  readonly connectTimeout: number
  readonly serializeType: SerializeType
  readonly sendBufferSize: number
  readonly receiveBufferSize: number
  readonly maxFrameSize: number
  readonly pollNameServerInterval: number
  readonly heartbeatBrokerInterval: number
  readonly useHeartbeatV2: boolean
  readonly logger: Logger
}

const isNamespace = (value: unknown): value is string => typeof value === 'string' && /^[\w|-]+$/.test(value)
const isText = (value: unknown): value is string => typeof value === 'string' && /^[\w.#:-]+$/.test(value)

/** The rules of all options that belong to a `Client`. */
export const clientOptionRules = {
  namesrvAddr: { read: readNameServers } satisfies OptionRule<readonly string[] | undefined>,
  nameServerUrl: { read: readNameServerUrl } satisfies OptionRule<URL | undefined>,
  fetchNameServerAddrInterval: milliseconds(120_000, 10),
  credentials: { read: readCredentials } satisfies OptionRule<CredentialSource | undefined>,
  tls: { read: readTls } satisfies OptionRule<TlsDialler | undefined>,
  instanceName: optionalValue(isText, 'letters, digits and . # : _ -'),
  namespace: optionalValue(isNamespace, 'letters, digits and | _ -'),
  namespaceV2: { read: readNamespaceV2 } satisfies OptionRule<NamespaceFields | undefined>,
  unitName: optionalValue(isText, 'letters, digits and . # : _ -'),
  vipChannel: flag(false),
  addressMap: { read: readAddressMap } satisfies OptionRule<(address: string) => string>,
  socksProxy: { read: readSocksProxy } satisfies OptionRule<SocksRoutes | undefined>,
  requestTimeout: milliseconds(3000),
  connectTimeout: milliseconds(3000),
  serializeType: oneOf(['ROCKETMQ', 'JSON'], 'ROCKETMQ'),
  sendBufferSize: wholeNumber(1024 * 1024, { min: 64 * 1024, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  receiveBufferSize: wholeNumber(256 * 1024, { min: 16 * 1024, max: 64 * 1024 * 1024, unit: 'bytes' }),
  maxFrameSize: wholeNumber(DEFAULT_MAX_FRAME_SIZE, { min: 1024, max: 1024 * 1024 * 1024, unit: 'bytes' }),
  pollNameServerInterval: milliseconds(30_000, 10),
  heartbeatBrokerInterval: milliseconds(30_000, 10),
  useHeartbeatV2: flag(false),
  logger: { read: readLogger } satisfies OptionRule<Logger>,
}

/** Names of the options that a shared `client` already has. */
export const CLIENT_OPTION_NAMES: readonly string[] = Object.keys(clientOptionRules)

/**
 * Resolves the options of a client, and what follows from two of them together.
 *
 * @throws {@link ClientError} `INVALID_OPTION`, `NO_NAME_SERVER`, `INVALID_ADDRESS`.
 */
export function resolveClientOptions(options: ConnectionOptions): ResolvedClientOptions {
  const resolved = resolveOptions(clientOptionRules, options, 'Client')
  const { namesrvAddr, nameServerUrl, unitName } = resolved
  if (nameServerUrl === undefined) return { ...resolved, namesrvAddr: namesrvAddr ?? fromEnvironment(), nameServerUrl }
  if (namesrvAddr === undefined)
    return { ...resolved, namesrvAddr: [], nameServerUrl: new AddressServer(nameServerUrl, unitName) }
  throw new ClientError('INVALID_OPTION', 'namesrvAddr and nameServerUrl of Client are both given: give one of them')
}

function fromEnvironment(): readonly string[] {
  const { NAMESRV_ADDR: given } = process.env
  if (given !== undefined) return nameServersIn(given, 'NAMESRV_ADDR in the environment')
  throw new ClientError(
    'NO_NAME_SERVER',
    `option namesrvAddr of Client is missing: give the NameServers as 'host:port;host:port', or nameServerUrl, or set NAMESRV_ADDR`,
  )
}

function readNameServers(value: unknown, name: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return nameServersIn(value, name)
  if (!Array.isArray(value)) throw invalid(name, value, `'host:port;host:port' or a list`)
  for (const item of value) if (typeof item !== 'string') throw invalid(name, item, `'host:port' texts`)
  return nameServersIn(value.join(';'), name)
}

function nameServersIn(list: string, name: string): readonly string[] {
  const addresses = splitAddresses(list, name)
  if (addresses.length > 0) return addresses
  throw new ClientError('NO_NAME_SERVER', `${name} names no NameServer; give 'host:port;host:port'`)
}

function readNameServerUrl(value: unknown, name: string): URL | undefined {
  if (value === undefined) return undefined
  const text = value instanceof URL ? value.href : value
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  // The value itself may have a password in it.
  const given = url === undefined ? `of type ${typeof value}` : `one of ${url.protocol}`
  throw new ClientError('INVALID_OPTION', `${name} is ${given}, the URL of a web server (http: or https:) expected`)
}

function readSocksProxy(value: unknown, name: string): SocksRoutes | undefined {
  return value === undefined ? undefined : new SocksRoutes(value, name)
}

function readNamespaceV2(value: unknown, name: string): NamespaceFields | undefined {
  if (value === undefined) return undefined
  if (isNamespace(value)) return new NamespaceFields(value)
  throw invalid(name, value, 'letters, digits and | _ -')
}

function readCredentials(value: unknown, name: string): CredentialSource | undefined {
  if (value === undefined) return undefined
  const fault = typeof value === 'function' ? undefined : credentialsFault(value)
  if (fault === undefined) return new CredentialSource(value as Credentials | CredentialsProvider)
  const expected = '{ accessKey, secretKey, securityToken? } or a function that gives it expected'
  throw new ClientError('INVALID_OPTION', `${name} is ${fault}, ${expected}`)
}

function readTls(value: unknown, name: string): TlsDialler | undefined {
  if (value === undefined || value === false) return undefined
  const options = value === true ? {} : checkTlsOptions(value, name)
  try {
    return new TlsDialler(options)
  } catch (cause) {
    // What OpenSSL says of a certificate or key, never what is in it.
    const problem = cause instanceof Error ? cause.message : String(cause)
    throw new ClientError('INVALID_OPTION', `${name}: the certificates or the key can not be used: ${problem}`, {
      cause,
    })
  }
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
    return guardLogger(logger as Logger)
  }
  throw invalid(name, value, 'an object with debug, info, warn and error')
}
