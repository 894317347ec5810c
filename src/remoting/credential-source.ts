import { ClientError } from '../errors.js'
import { type Logger, silentLogger } from '../logger.js'
import { AclSigner } from './acl-signer.js'
import { type Credentials, type CredentialsProvider, checkProvided } from './credentials.js'
import { abortError, monotonicNow, sleep, type WaitOptions, withDeadline } from './deadline.js'

/** How long credentials that don't say when they end are used before their provider is asked again, in milliseconds. */
const DEFAULT_LIFE = 60_000
/** So long before the end of credentials the next ones are asked for, or after four fifths of their life. */
const MAX_LEAD = 300_000
const LEAD_SHARE = 0.2
/** After an answer, whatever it was, a provider is left alone for so long. */
const MIN_INTERVAL = 100
/** After a failure, as long as there are credentials that can be used. */
const RETRY_INTERVAL = 5_000
/** A provider that does not answer in this time is asked anew by the next call. */
const PATIENCE = 10_000

interface Asking {
  readonly signer: Promise<AclSigner>
  readonly startedAt: number
}

/**
 * The credentials of now, as a signer: fixed ones, or what a provider says.
 *
 * What a provider gave is kept until shortly before its expiration, or for a minute; then the next ones are asked for while the old ones are still used, so that no
 * request waits. It has no timer: the provider is asked when there are requests.
 */
export class CredentialSource {
  readonly #provider: CredentialsProvider | undefined
  #logger: Logger = silentLogger
  #current: AclSigner | undefined
  #askAt: number
  #expiresAt = Number.POSITIVE_INFINITY
  #answeredAt = Number.NEGATIVE_INFINITY
  #asking: Asking | undefined

  constructor(credentials: Credentials | CredentialsProvider) {
    if (typeof credentials === 'function') {
      this.#provider = credentials
      this.#askAt = Number.NEGATIVE_INFINITY
    } else {
      this.#current = new AclSigner(credentials)
      this.#askAt = Number.POSITIVE_INFINITY
    }
  }

  /** Tells of failures of the provider that no call waits for. */
  logTo(logger: Logger): void {
    this.#logger = logger
  }

  /** What requests are signed with now; undefined before the first answer of the provider. */
  get current(): AclSigner | undefined {
    return this.#current
  }

  /** Whether requests can be signed without waiting for the provider. Has the next credentials asked for when it is time. */
  isReady(): boolean {
    if (this.#askAt === Number.POSITIVE_INFINITY) return true
    const now = monotonicNow()
    if (now < this.#askAt) return true
    if (this.#current === undefined || now >= this.#expiresAt) return false
    // Failures are told of where it is asked.
    this.#ask().catch(() => undefined)
    return true
  }

  /**
   * Waits until requests can be signed.
   *
   * @throws {@link ClientError} `CREDENTIALS_UNAVAILABLE` when the provider threw, gave no credentials or did not answer in time; `ABORTED`.
   */
  async ready(what: string, { timeout, signal }: WaitOptions): Promise<void> {
    if (this.isReady()) return
    if (signal?.aborted) throw abortError(what, signal)
    const late = () => unavailable(`${what}: the provider of credentials did not answer within ${timeout} ms`)
    await withDeadline(this.#ask(), timeout, signal, what, late)
  }

  /**
   * A server does not know these credentials: they may have been replaced.
   *
   * @returns whether there are others by now, so that the request may be signed anew. The provider is asked for them, unless that was just done.
   */
  async renewed(refused: AclSigner | undefined, what: string, wait: WaitOptions): Promise<boolean> {
    if (this.#provider === undefined) return false
    if (this.#current !== refused) return true
    const answeredAt = this.#answeredAt
    const rest = answeredAt + MIN_INTERVAL - monotonicNow()
    if (rest > 0) await sleep(Math.min(rest, wait.timeout ?? rest), wait.signal, what)
    // Somebody else may have asked meanwhile.
    if (this.#current === refused && this.#answeredAt === answeredAt) {
      const late = () => unavailable(`${what}: the provider of credentials did not answer in time`)
      await withDeadline(this.#ask(), wait.timeout, wait.signal, what, late).catch(rethrowAbort)
    }
    return this.#current !== refused
  }

  #ask(): Promise<AclSigner> {
    const asking = this.#asking
    if (asking !== undefined && monotonicNow() - asking.startedAt < PATIENCE) return asking.signer
    const mine: Asking = { startedAt: monotonicNow(), signer: this.#provided().finally(() => this.#ended(mine)) }
    this.#asking = mine
    mine.signer.catch((error: unknown) => this.#failed(error))
    return mine.signer
  }

  async #provided(): Promise<AclSigner> {
    let credentials: Credentials
    try {
      credentials = checkProvided(await this.#provider?.())
    } catch (cause) {
      if (cause instanceof ClientError && cause.code === 'CREDENTIALS_UNAVAILABLE') throw cause
      throw unavailable('the provider of credentials threw', cause)
    }
    this.#take(credentials)
    return this.#current as AclSigner
  }

  #take(credentials: Credentials): void {
    const now = monotonicNow()
    const { expiration } = credentials
    const life = expiration === undefined ? DEFAULT_LIFE : Math.max(0, Number(expiration) - Date.now())
    this.#expiresAt = expiration === undefined ? Number.POSITIVE_INFINITY : now + life
    this.#askAt = expiration === undefined ? now + life : now + life - Math.min(MAX_LEAD, life * LEAD_SHARE)
    if (this.#current?.isOf(credentials)) return
    this.#current = new AclSigner(credentials)
    this.#logger.debug('credentials were provided', { accessKey: credentials.accessKey })
  }

  #ended(asking: Asking): void {
    this.#answeredAt = monotonicNow()
    if (this.#asking === asking) this.#asking = undefined
  }

  #failed(error: unknown): void {
    this.#logger.warn('the provider of credentials failed', { error })
    const now = monotonicNow()
    if (this.#current !== undefined && now < this.#expiresAt)
      this.#askAt = Math.min(now + RETRY_INTERVAL, this.#expiresAt)
  }
}

/** The call fails with its refusal then; that the provider fails too is in the log. */
function rethrowAbort(error: unknown): void {
  if (error instanceof ClientError && error.code === 'ABORTED') throw error
}

function unavailable(problem: string, cause?: unknown): ClientError {
  return new ClientError('CREDENTIALS_UNAVAILABLE', problem, { retryable: true, cause })
}
