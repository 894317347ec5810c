import type { RemotingCommand } from '../codec/remoting-command.js'
import { BrokerError } from '../errors.js'
import { denialHint, readAccessDenial } from './access-denial.js'
import type { AclSigner } from './acl-signer.js'
import { isRetryableResponse, ResponseCode, responseName } from './response-code.js'

const MAX_REMARK = 4096

/** What a caller can do about that which a proxy does not serve. */
export const PROXY_HINT =
  'the server there is a proxy, which does not serve this: give the address of a NameServer instead of its own, so that the brokers themselves are asked'

/**
 * The error of a call that a server refused.
 *
 * @param signer - That the request was signed with.
 * @param isProxy - Whether the server is a proxy.
 */
export function refusal(
  address: string,
  name: string,
  response: RemotingCommand,
  signer: AclSigner | undefined,
  isProxy: boolean,
): BrokerError {
  const { code } = response
  const said = response.remark ?? ''
  // Cut afterwards, so that no secret is cut in two and left.
  const remark = (signer?.redact(said) ?? said).slice(0, MAX_REMARK)
  const denial = readAccessDenial(code, remark)
  const isUnserved = isProxy && code === ResponseCode.REQUEST_CODE_NOT_SUPPORTED
  const hint = denial === undefined ? '' : `; ${denialHint(denial, signer?.accessKey)}`
  const text = `${name} was refused by ${address} with ${code} ${responseName(code)}${remark === '' ? '' : `: ${remark}`}${hint}${isUnserved ? `; ${PROXY_HINT}` : ''}`
  return new BrokerError(text, {
    address,
    responseCode: code,
    responseName: responseName(code),
    remark,
    denial,
    ...(isUnserved && { code: 'UNSUPPORTED_BY_BROKER' }),
    retryable: denial === undefined && isRetryableResponse(code),
  })
}

/** Whether a server's access control refused a request: the same one is refused again, until somebody changes the rules or the credentials. */
export function isDenied(error: unknown): error is BrokerError {
  return error instanceof BrokerError && error.denial !== undefined
}

/** Whether an error says that a server does not know who asks. */
export function isUnauthenticated(error: unknown): boolean {
  return error instanceof BrokerError && error.denial?.kind === 'AUTHENTICATION'
}
