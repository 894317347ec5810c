import { ClientError } from '../errors.js'

/** Who asks, for servers with access control: ACL 1.0 of brokers up to 5.2, ACL 2.0 of those from 5.3 on. */
export interface Credentials {
  /** The user's name in ACL 2.0. */
  readonly accessKey: string
  /** The user's password in ACL 2.0. It never leaves this process: requests are signed with it. */
  readonly secretKey: string
  /** Of temporary credentials (STS). */
  readonly securityToken?: string | undefined
  /** When temporary credentials end: a Date, or milliseconds since the epoch. Their provider is asked for the next ones before. */
  readonly expiration?: Date | number | undefined
}

/** Hands out the credentials of now. It may be asked at any time, never twice at once. */
export type CredentialsProvider = () => Credentials | Promise<Credentials>

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const NAMES: readonly string[] = ['accessKey', 'secretKey', 'securityToken', 'expiration']

/**
 * What is wrong with credentials; undefined when nothing is. It never shows a value.
 *
 * @param value - From a user, so anything.
 */
export function credentialsFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'no object { accessKey, secretKey }'
  const { accessKey, secretKey, securityToken, expiration } = value as Partial<Record<keyof Credentials, unknown>>
  if (!isText(accessKey)) return 'an object without accessKey'
  if (!isText(secretKey)) return 'an object without secretKey'
  if (securityToken !== undefined && !isText(securityToken)) return 'an object with a securityToken that is no text'
  if (expiration !== undefined && !Number.isFinite(Number(expiration)))
    return 'an object with an expiration that is neither a Date nor a number'
  const unknown = Object.keys(value).find((name) => !NAMES.includes(name))
  return unknown === undefined ? undefined : `an object with fields other than ${NAMES.join(', ')}`
}

/** @throws {@link ClientError} `CREDENTIALS_UNAVAILABLE` when a provider gave what are no credentials. */
export function checkProvided(value: unknown): Credentials {
  const fault = credentialsFault(value)
  if (fault === undefined) return value as Credentials
  throw new ClientError('CREDENTIALS_UNAVAILABLE', `the provider of credentials gave what is ${fault}`, {
    retryable: true,
  })
}
