import { isIP } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, type SecureContext, type TLSSocket } from 'node:tls'
import { type Logger, silentLogger } from '../logger.js'
import { TlsContext } from './tls-context.js'
import { certificateFault } from './tls-fault.js'
import type { TlsOptions } from './tls-options.js'

interface Session {
  readonly bytes: Buffer
  /** That it was made with: another one may trust others. */
  readonly context: SecureContext
  readonly name: string
}

/** A connection that is to be encrypted. */
export interface SecureConnection {
  /** What `tls.connect` is given beside host and port. */
  readonly options: ConnectionOptions
  /** To be called in its `secureConnect` event, before anything is written. @returns what is wrong with the server's certificate. */
  verify(socket: TLSSocket): string | undefined
}

/** Begins encrypted connections: their certificates, the names that servers must have, and sessions that are taken up again. */
export class TlsDialler {
  readonly #context: TlsContext
  readonly #isVerifying: boolean
  readonly #servername: TlsOptions['servername']
  /** By address. */
  readonly #sessions = new Map<string, Session>()
  #logger: Logger = silentLogger

  /** @throws when certificates that were given as PEM can't be used. */
  constructor(options: TlsOptions) {
    this.#context = new TlsContext(options)
    this.#isVerifying = options.rejectUnauthorized ?? true
    this.#servername = options.servername
  }

  /** Tells of what no call waits for. */
  logTo(logger: Logger): void {
    this.#logger = logger
    if (!this.#isVerifying) {
      logger.warn(
        'tls.rejectUnauthorized is false: servers are not verified, and whoever is on the way can read and change everything',
      )
    }
  }

  /**
   * Prepares a connection.
   *
   * @param host - That is dialled for `address`.
   * @throws when certificates can't be read or used, or `servername` threw.
   */
  async prepare(address: string, host: string): Promise<SecureConnection> {
    const context = await this.#context.current(this.#logger)
    const name = typeof this.#servername === 'function' ? String(this.#servername(address)) : (this.#servername ?? host)
    const session = this.#sessions.get(address)
    const isKnown = session?.context === context && session.name === name
    return {
      options: {
        secureContext: context,
        // An IP address is no name to tell a server.
        servername: isIP(name) === 0 ? name : '',
        checkServerIdentity: (_host, certificate) => checkServerIdentity(name, certificate),
        ...(isKnown && { session: session.bytes }),
        // Not switched off but put off: `verify` looks at the outcome before a byte is written, while the certificate can still be told of.
        rejectUnauthorized: false,
      },
      verify: (socket) => {
        const fault = this.#isVerifying ? certificateFault(socket, name) : undefined
        if (fault === undefined) this.#keepSessions(socket, address, context, name)
        else this.#sessions.delete(address)
        return fault
      },
    }
  }

  #keepSessions(socket: TLSSocket, address: string, context: SecureContext, name: string): void {
    const keep = (bytes: Buffer) => void this.#sessions.set(address, { bytes, context, name })
    // TLS 1.2 has it by now; in TLS 1.3 it comes later, more than once.
    const bytes = socket.getProtocol() === 'TLSv1.2' ? socket.getSession() : undefined
    if (bytes !== undefined) keep(bytes)
    socket.on('session', keep)
  }
}
