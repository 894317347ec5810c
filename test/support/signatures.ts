import { createHmac } from 'node:crypto'
import type { RemotingCommand } from '../../src/codec/remoting-command.js'

/** The signature that a request must have, put together as servers do, apart from the client under test. */
export function signatureOf(request: RemotingCommand, secretKey: string): string {
  const fields = request.extFields
  const names = Object.keys(fields)
    .filter((name) => name !== 'Signature')
    .toSorted((a, b) => (a < b ? -1 : 1))
  const text = names.map((name) => fields[name]).join('')
  return createHmac('sha1', secretKey).update(text).update(request.body).digest('base64')
}

/** Whether a request carries a signature with this key. */
export function isSigned(request: RemotingCommand, secretKey: string): boolean {
  return request.field('Signature') === signatureOf(request, secretKey)
}
