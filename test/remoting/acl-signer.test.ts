import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeaderCodec } from '../../src/codec/command.js'
import { optional, string } from '../../src/codec/header-field.js'
import type { SerializeType } from '../../src/codec/remoting-command.js'
import { AclSigner } from '../../src/remoting/acl-signer.js'
import { allCommands } from '../codec/all-commands.js'
import { fromHex, golden } from '../codec/golden.js'
import { decodeFrame, encodeFrame, headerFromText } from '../codec/wire.js'

interface SignedCase {
  readonly command: string
  readonly code: number
  readonly serializeType: SerializeType
  readonly accessKey: string
  readonly secretKey: string
  readonly securityToken: string | null
  readonly extFields: Readonly<Record<string, string>>
  readonly bodyHex: string | null
}

const commands = await allCommands()
// SEND_MESSAGE, the form with long names, is the one command among them that this client never sends.
const cases = golden<SignedCase>('signed-requests').filter(({ command }) => command !== 'SEND_MESSAGE')

/** Fields that our definitions leave out make another signature: those requests are signed with all of Java's fields as text. */
function codecOf({ command, extFields }: SignedCase): HeaderCodec<Record<string, unknown>> {
  const codec = commands.find(({ name }) => name === command)?.request
  if (codec === undefined) throw new Error(`${command} is not defined`)
  const names = new Set(codec.fields.map(({ wireName }) => wireName))
  const own = Object.keys(extFields).filter((name) => !['AccessKey', 'SecurityToken', 'Signature'].includes(name))
  if (own.every((name) => names.has(name))) return codec
  return new HeaderCodec(command, Object.fromEntries(own.map((name) => [name, optional(string())])))
}

describe('a signed request', () => {
  it.each(cases)(
    'has the fields and the signature of Java: $command ($serializeType, $accessKey, token $securityToken)',
    (one) => {
      const { code, serializeType, accessKey, secretKey, securityToken, extFields, bodyHex } = one
      const signer = new AclSigner({ accessKey, secretKey, ...(securityToken !== null && { securityToken }) })
      const codec = codecOf(one)
      const header = headerFromText(codec, extFields)
      const frame = decodeFrame(
        encodeFrame(serializeType, { code, opaque: 1, flag: 0 }, codec, header, fromHex(bodyHex ?? ''), signer),
      )
      expect(frame.serializeType).toBe(serializeType)
      expect(frame.extFields).toEqual(extFields)
      expect(frame.body.toString('hex')).toBe(bodyHex ?? '')
    },
  )

  it.each([0, 1, 8_000, 8_192, 8_193, 100_000])('covers a body of %d bytes', (size) => {
    const signer = new AclSigner({ accessKey: 'user', secretKey: 'secret' })
    const codec = new HeaderCodec('TEST', { b: string(), a: string() })
    const body = Buffer.alloc(size, 0xe4)
    const expected = createHmac('sha1', 'secret').update('userAB').update(body).digest('base64')
    expect(signer.sign(codec, { a: 'A', b: 'B' }, body)).toBe(expected)
  })

  it('covers header fields of any length', () => {
    const signer = new AclSigner({ accessKey: 'user', secretKey: 'secret' })
    const codec = new HeaderCodec('TEST', { a: string() })
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.nat(20_000).map((length) => '值'.repeat(length)),
    )
    // Byte by byte, an arbitrary body of this length takes much longer to make than to sign.
    const body = fc
      .tuple(fc.nat(9_000), fc.uint8Array({ minLength: 1, maxLength: 16 }))
      .map(([length, pattern]) => Buffer.alloc(length, pattern))
    fc.assert(
      fc.property(text, body, (a, body) => {
        const expected = createHmac('sha1', 'secret').update(`user${a}`).update(body).digest('base64')
        return signer.sign(codec, { a }, body) === expected
      }),
    )
  })

  it('goes out in JSON when a field is an empty text, which a binary header does not tell from none', () => {
    const signer = new AclSigner({ accessKey: 'user', secretKey: 'secret' })
    const codec = new HeaderCodec('TEST', { a: string(), b: string() })
    const head = { code: 1, opaque: 1, flag: 0 }
    const encode = (a: string) => decodeFrame(encodeFrame('ROCKETMQ', head, codec, { a, b: 'B' }, undefined, signer))
    expect(encode('A').serializeType).toBe('ROCKETMQ')
    expect(encode('').serializeType).toBe('JSON')
    expect(encode('').field('Signature')).toBe(createHmac('sha1', 'secret').update('userB').digest('base64'))
  })

  it('has the signature fields alone when it has no others', () => {
    const signer = new AclSigner({ accessKey: 'user', secretKey: 'secret', securityToken: 'token' })
    const codec = new HeaderCodec<Record<never, never>>('TEST', {})
    for (const type of ['JSON', 'ROCKETMQ'] as const) {
      const frame = decodeFrame(encodeFrame(type, { code: 1, opaque: 1, flag: 0 }, codec, {}, undefined, signer))
      const Signature = createHmac('sha1', 'secret').update('usertoken').digest('base64')
      expect(frame.extFields).toEqual({ AccessKey: 'user', SecurityToken: 'token', Signature })
    }
  })
})
