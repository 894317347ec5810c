import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HeaderCodec } from '../../src/codec/command.js'
import { string } from '../../src/codec/header-field.js'
import { NamespaceFields } from '../../src/codec/namespace-fields.js'
import { AclSigner } from '../../src/remoting/acl-signer.js'
import { startOracle } from '../support/oracle.js'

const REQUESTS = 1_000
const SEED = 20_240_607
const IN_FLIGHT = 50

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const name = fc
  .stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,12}$/)
  .filter((one) => !['AccessKey', 'SecurityToken', 'Signature', '__proto__', 'ns', 'nsd'].includes(one))
const request = fc.record({
  accessKey: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  secretKey: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 }),
  securityToken: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), { nil: undefined }),
  fields: fc.dictionary(name, text, { maxKeys: 15, noNullPrototype: true }),
  namespace: fc.option(text, { nil: undefined }),
  body: fc.option(fc.uint8Array({ maxLength: 3_000 }), { nil: undefined }),
})

test.each(['4.9.7', '5.5.0'])('a thousand random requests are signed as by the Java client of %s', async (version) => {
  const oracle = await startOracle(version)
  try {
    const requests = fc.sample(request, { numRuns: REQUESTS, seed: SEED })
    for (let at = 0; at < requests.length; at += IN_FLIGHT) {
      await Promise.all(
        requests.slice(at, at + IN_FLIGHT).map(async ({ fields, body, securityToken, namespace, ...keys }) => {
          const credentials = securityToken === undefined ? keys : { ...keys, securityToken }
          const encoded = body && Buffer.from(body).toString('base64')
          const signed = await oracle.call('sign', {
            ...credentials,
            fields: { ...fields, ...(namespace !== undefined && { ns: namespace, nsd: 'true' }) },
            ...(encoded !== undefined && { body: encoded }),
          })
          const codec = new HeaderCodec('TEST', Object.fromEntries(Object.keys(fields).map((one) => [one, string()])))
          const own = namespace === undefined ? undefined : new NamespaceFields(namespace)
          expect(new AclSigner(credentials).sign(codec, fields, body, own)).toBe(signed.Signature)
        }),
      )
    }
  } finally {
    await oracle.stop()
  }
})
