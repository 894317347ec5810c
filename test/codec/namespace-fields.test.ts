import { describe, expect, it } from 'vitest'
import { HeaderCodec } from '../../src/codec/command.js'
import { optional, string } from '../../src/codec/header-field.js'
import { NamespaceFields } from '../../src/codec/namespace-fields.js'
import { AclSigner } from '../../src/remoting/acl-signer.js'
import { signatureOf } from '../support/signatures.js'
import { decodeFrame, encodeFrame } from './wire.js'

const codec = new HeaderCodec('TEST', { nr: optional(string()), z: optional(string()), a: optional(string()) })
const namespace = new NamespaceFields('inst|1_a-b')
const NAMED = { nsd: 'true', ns: 'inst|1_a-b' }
const head = { code: 1, opaque: 1, flag: 0 }
const body = Buffer.from('body')

describe.each(['ROCKETMQ', 'JSON'] as const)('a request of a namespace, in %s', (type) => {
  it.each([{}, { a: 'A' }, { a: 'A', nr: 'N', z: 'Z' }])('names it beside its own fields: %j', (header) => {
    const frame = decodeFrame(encodeFrame(type, head, codec, header, body, undefined, namespace))
    expect(frame.serializeType).toBe(type)
    expect(frame.extFields).toEqual({ ...header, ...NAMED })
    expect(frame.body.toString()).toBe('body')
  })

  it.each([{}, { a: 'A' }, { a: 'A', nr: 'N', z: 'Z' }])('is signed with it: %j', (header) => {
    const signer = new AclSigner({ accessKey: 'user', secretKey: 'secret', securityToken: 'token' })
    const frame = decodeFrame(encodeFrame(type, head, codec, header, body, signer, namespace))
    expect(frame.extFields).toMatchObject({ ...header, ...NAMED, AccessKey: 'user', SecurityToken: 'token' })
    expect(frame.field('Signature')).toBe(signatureOf(frame, 'secret'))
  })
})
