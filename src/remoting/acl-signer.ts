import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'
import type { ByteWriter } from '../codec/byte-writer.js'
import type { HeaderCodec } from '../codec/command.js'
import type { FrameSigner } from '../codec/frame.js'
import { headerEntry, headerName, withJsonFields } from '../codec/header-entry.js'
import type { NamespaceFields } from '../codec/namespace-fields.js'
import type { Credentials } from './credentials.js'

/** Of SHA-1, in bytes. */
const BLOCK = 64
const DIGEST = 20
/** Requests up to this size are signed from one buffer, with two calls into the runtime; longer ones are not worth the copy. */
const MAX_GATHERED = 8 * 1024
/** UTF-8 takes up to so many bytes for a UTF-16 unit. */
const MAX_UNIT = 3

/**
 * Signs requests with one pair of keys: base64 of the HMAC-SHA1 of all header fields and the body.
 *
 * The signature covers neither the command's code nor a time, and can be replayed by whoever reads it on the way: that is what TLS is for.
 *
 * @see AclClientRPCHook, AclSigner
 */
export class AclSigner implements FrameSigner {
  readonly accessKey: string
  readonly #secretKey: string
  readonly #securityToken: string
  readonly #key: KeyObject
  /** The key's inner pad, and room for what is signed behind it. */
  readonly #inner = Buffer.allocUnsafeSlow(BLOCK + MAX_GATHERED)
  /** The key's outer pad, and room for the inner digest. */
  readonly #outer = Buffer.allocUnsafeSlow(BLOCK + DIGEST)
  /** The fields that are the same in every request, up to where the signature's text goes. */
  readonly #binaryFields: Buffer
  readonly #jsonFields: string

  constructor(credentials: Credentials) {
    const { accessKey, secretKey, securityToken = '' } = credentials
    this.accessKey = accessKey
    this.#secretKey = secretKey
    this.#securityToken = securityToken
    this.#key = createSecretKey(secretKey, 'utf8')
    const given = Buffer.from(secretKey)
    const key = given.length > BLOCK ? hash('sha1', given, 'buffer') : given
    for (let i = 0; i < BLOCK; i++) {
      this.#inner[i] = 0x36 ^ (key[i] ?? 0)
      this.#outer[i] = 0x5c ^ (key[i] ?? 0)
    }
    const token = securityToken === '' ? [] : [headerEntry('SecurityToken', securityToken)]
    this.#binaryFields = Buffer.concat([headerEntry('AccessKey', accessKey), ...token, headerName('Signature')])
    const tokenJson = securityToken === '' ? '' : `,"SecurityToken":${JSON.stringify(securityToken)}`
    this.#jsonFields = `"AccessKey":${JSON.stringify(accessKey)}${tokenJson},"Signature":"`
  }

  /** Whether these are the same credentials. */
  isOf({ accessKey, secretKey, securityToken = '' }: Credentials): boolean {
    return accessKey === this.accessKey && secretKey === this.#secretKey && securityToken === this.#securityToken
  }

  sign<T>(codec: HeaderCodec<T>, header: T, body: Uint8Array | undefined, namespace?: NamespaceFields): string {
    const text = codec.signedText(header, this.accessKey, this.#securityToken, namespace)
    const bodyLength = body === undefined ? 0 : body.length
    if (text.length * MAX_UNIT + bodyLength > MAX_GATHERED) return this.#signLong(text, body)
    const inner = this.#inner
    const end = BLOCK + inner.write(text, BLOCK)
    if (body !== undefined) inner.set(body, end)
    this.#outer.write(hash('sha1', inner.subarray(0, end + bodyLength), 'binary'), BLOCK, 'latin1')
    return hash('sha1', this.#outer, 'base64')
  }

  writeRocketmq(writer: ByteWriter, signature: string): void {
    writer.bytes(this.#binaryFields)
    writer.int32(signature.length)
    writer.utf8(signature)
  }

  toJson(fields: string, signature: string): string {
    return withJsonFields(fields, `${this.#jsonFields}${signature}"`)
  }

  /** A text from elsewhere without this signer's secrets, should they stand in it. */
  redact(text: string): string {
    const redacted = text.replaceAll(this.#secretKey, '***')
    return this.#securityToken === '' ? redacted : redacted.replaceAll(this.#securityToken, '***')
  }

  #signLong(text: string, body: Uint8Array | undefined): string {
    const hmac = createHmac('sha1', this.#key).update(text)
    if (body !== undefined) hmac.update(body)
    return hmac.digest('base64')
  }
}
