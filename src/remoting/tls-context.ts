import { constants } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext, type SecureVersion } from 'node:tls'
import type { Logger } from '../logger.js'
import type { Pem, TlsOptions } from './tls-options.js'

const PEM = '-----BEGIN'
const MAX_FILE = 1024 * 1024

interface Material {
  readonly ca: readonly Buffer[]
  readonly cert: Buffer | undefined
  readonly key: Buffer | undefined
}

/** Certificates and key as a context for connections: made once, and again when their files have changed. Keeps its secrets to itself. */
export class TlsContext {
  readonly #ca: readonly Pem[]
  readonly #cert: Pem | undefined
  readonly #key: Pem | undefined
  readonly #passphrase: string | undefined
  readonly #minVersion: SecureVersion
  readonly #hasFiles: boolean
  #material: Material | undefined
  #context: SecureContext | undefined

  /** @throws when certificates that were given as PEM can't be used. */
  constructor({ ca, cert, key, passphrase, minVersion = 'TLSv1.2' }: TlsOptions) {
    this.#ca = ca === undefined ? [] : isList(ca) ? [...ca] : [ca]
    this.#cert = cert
    this.#key = key
    this.#passphrase = passphrase
    this.#minVersion = minVersion
    this.#hasFiles = [...this.#ca, cert, key].some((one) => one !== undefined && isPath(one))
    if (!this.#hasFiles)
      this.#take({ ca: this.#ca.flatMap((one) => bytesOf(one) ?? []), cert: bytesOf(cert), key: bytesOf(key) })
  }

  /**
   * The context for a new connection. Files are read anew; while they can't be read or used, for example because they are just being replaced, the last ones stay in use.
   *
   * @throws when there are no last ones.
   */
  async current(logger: Logger): Promise<SecureContext> {
    try {
      if (this.#hasFiles) this.#take(await this.#read())
    } catch (error) {
      if (this.#context === undefined) throw error
      logger.warn('the files of the option tls can not be used: connections go on with what they held before', {
        error,
      })
    }
    return this.#context as SecureContext
  }

  async #read(): Promise<Material> {
    const [cert, key, ...ca] = await Promise.all([
      load('cert', this.#cert),
      load('key', this.#key),
      ...this.#ca.map((one) => load('ca', one)),
    ])
    return { ca: ca.filter((one) => one !== undefined), cert, key }
  }

  #take(material: Material): void {
    if (this.#material !== undefined && isSame(this.#material, material)) return
    const { ca, cert, key } = material
    this.#context = createSecureContext({
      // Without any, Node.js takes its own.
      ...(ca.length > 0 && { ca: [...ca] }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(this.#passphrase !== undefined && { passphrase: this.#passphrase }),
      minVersion: this.#minVersion,
      // A second handshake could bring another certificate, at which nobody looks; TLS 1.3 has none. `disableRenegotiation` of a socket works for servers only.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    })
    this.#material = material
  }
}

function isList(ca: Pem | readonly Pem[]): ca is readonly Pem[] {
  return Array.isArray(ca)
}

function isPath(pem: Pem): pem is string {
  return typeof pem === 'string' && !pem.includes(PEM)
}

/** A copy: later changes of the user's buffer count for nothing. */
function bytesOf(pem: Pem | undefined): Buffer | undefined {
  return pem === undefined ? undefined : Buffer.from(pem as Uint8Array)
}

async function load(name: string, pem: Pem | undefined): Promise<Buffer | undefined> {
  if (pem === undefined || !isPath(pem)) return bytesOf(pem)
  let bytes: Buffer
  try {
    bytes = await readFile(pem)
  } catch (error) {
    throw unreadable(name, error as NodeJS.ErrnoException)
  }
  if (bytes.length <= MAX_FILE && bytes.includes(PEM)) return bytes
  throw new Error(`the file of tls.${name} holds no PEM`)
}

/** What was given as the path of a key may be the key itself, in a form that is no PEM: it is not shown. */
function unreadable(name: string, error: NodeJS.ErrnoException): Error {
  const problem = `the file of tls.${name} can't be read: `
  return name === 'key' ? new Error(problem + error.code) : new Error(problem + error.message, { cause: error })
}

function isSame(a: Material, b: Material): boolean {
  const left = [a.cert, a.key, ...a.ca]
  const right = [b.cert, b.key, ...b.ca]
  return left.length === right.length && left.every((one, i) => one === right[i] || isEqual(one, right[i]))
}

function isEqual(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a !== undefined && b !== undefined && a.equals(b)
}
