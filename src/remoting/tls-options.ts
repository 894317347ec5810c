import { ClientError } from '../errors.js'

/** A certificate or key: its PEM, or the path of a file with it, which is read again for each new connection. */
export type Pem = string | Uint8Array

/** How connections are encrypted, and who is trusted. */
export interface TlsOptions {
  /** Whom to trust: certificates of authorities. Default: those that Node.js brings along. */
  ca?: Pem | readonly Pem[]
  /** This client's certificate, with its chain, for servers that want one (mutual TLS). */
  cert?: Pem
  /** The key of `cert`. */
  key?: Pem
  /** Of an encrypted `key`. */
  passphrase?: string
  /** The name that a server's certificate must have, and that the server is told (SNI). Default: the host that is dialled, which for brokers is most often an IP address. */
  servername?: string | ((address: string) => string)
  /** `false`: trust whoever answers. Whoever is on the way can then read and change everything. Default `true`. */
  rejectUnauthorized?: boolean
  /** The lowest version that is spoken. Default `'TLSv1.2'`. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
}

const NAMES: readonly string[] = [
  'ca',
  'cert',
  'key',
  'passphrase',
  'servername',
  'rejectUnauthorized',
  'minVersion',
] satisfies (keyof TlsOptions)[]

const isPem = (value: unknown): value is Pem =>
  (typeof value === 'string' && value !== '') || (value instanceof Uint8Array && value.length > 0)

const CHECKS: Readonly<Record<string, { accepts(value: unknown): boolean; expected: string }>> = {
  ca: {
    accepts: (value) => (Array.isArray(value) ? value.length > 0 && value.every(isPem) : isPem(value)),
    expected: 'PEM, the path of a file, or a list of them',
  },
  cert: { accepts: isPem, expected: 'PEM or the path of a file' },
  key: { accepts: isPem, expected: 'PEM or the path of a file' },
  passphrase: { accepts: (value) => typeof value === 'string', expected: 'a text' },
  servername: {
    accepts: (value) => typeof value === 'function' || (typeof value === 'string' && value !== ''),
    expected: 'a host name or a function (address) => name',
  },
  rejectUnauthorized: { accepts: (value) => typeof value === 'boolean', expected: 'true or false' },
  minVersion: { accepts: (value) => value === 'TLSv1.2' || value === 'TLSv1.3', expected: `'TLSv1.2' or 'TLSv1.3'` },
}

/**
 * Checks what a user gave as the option `tls`. Values are never shown: a key may stand in the wrong place.
 *
 * @throws {@link ClientError} `INVALID_OPTION`.
 */
export function checkTlsOptions(value: unknown, name: string): TlsOptions {
  if (typeof value !== 'object' || value === null)
    throw bad(`${name} is no object, true, false or an object with ${NAMES.join(', ')} expected`)
  const options = value as Record<string, unknown>
  for (const [key, given] of Object.entries(options)) {
    const check = CHECKS[key]
    if (check === undefined || !NAMES.includes(key)) throw bad(`${name} has fields other than ${NAMES.join(', ')}`)
    if (given !== undefined && !check.accepts(given))
      throw bad(`${key} of ${name} does not fit: ${check.expected} expected`)
  }
  if ((options.cert === undefined) !== (options.key === undefined))
    throw bad(`${name} needs cert and key together, or neither`)
  return value as TlsOptions
}

function bad(problem: string): ClientError {
  return new ClientError('INVALID_OPTION', problem)
}
