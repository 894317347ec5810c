import type { AccessDenial } from '../errors.js'
import { ResponseCode } from './response-code.js'

/** How ACL 1.0 begins what it says, inside a SYSTEM_ERROR. The place in the server's code follows behind a comma. */
const ACL_1 = 'AclException: '
const ACL_1_PLACE = ', org.apache.rocketmq.'

/** ACL 1.0: rules. */
const ACL_1_RULE = /^(No (?:default )?permission) for (topic|group):([^\s,]*)/
const ACL_1_ADMIN = /^(Need admin permission for request code=\d+), but accessKey=([^\s,]*)/
/** ACL 1.0: who asks. */
const ACL_1_KEY =
  /^(?:Check signature failed for accessKey=|No PlainAccessResource for accessKey=|No acl config for )([^\s,]*)/

/** ACL 2.0: rules. */
const ACL_2_RULE = /^(\S+) has no permission to access (\S+) from [^\s,]*, (.*)$/
/** ACL 2.0: who asks. */
const ACL_2_USER = /^(User:\S*) (?:is not found|not found|is disabled)\.?$/
const ACL_2_TEXTS = [
  'username cannot be null',
  'check signature failed',
  'Authentication failed',
  'create authentication context error',
]

/**
 * What a refusal says about access; undefined when something else was refused: NO_PERMISSION is also the answer of brokers and topics that are read-only for all.
 *
 * A proxy says SYSTEM_ERROR with the words of ACL 2.0.
 *
 * @see AclAuthorizationHandler, DefaultAuthenticationHandler, PlainPermissionManager, AbstractRemotingActivity.writeErrResponse
 */
export function readAccessDenial(code: number, remark: string): AccessDenial | undefined {
  if (code === ResponseCode.NO_PERMISSION) return readAcl2(remark)
  if (code !== ResponseCode.SYSTEM_ERROR) return undefined
  const start = remark.indexOf(ACL_1)
  if (start < 0) return readAcl2(remark)
  const place = remark.indexOf(ACL_1_PLACE, start)
  return readAcl1(remark.slice(start + ACL_1.length, place < 0 ? undefined : place))
}

function readAcl1(reason: string): AccessDenial {
  const rule = ACL_1_RULE.exec(reason)
  if (rule !== null) {
    const [, , type, name] = rule
    return { kind: 'AUTHORIZATION', resource: `${type === 'topic' ? 'Topic' : 'Group'}:${name}`, reason }
  }
  const admin = ACL_1_ADMIN.exec(reason)
  if (admin !== null) return { kind: 'AUTHORIZATION', ...subject(admin[2]), reason }
  return { kind: 'AUTHENTICATION', ...subject(ACL_1_KEY.exec(reason)?.[1]), reason }
}

function readAcl2(remark: string): AccessDenial | undefined {
  const rule = ACL_2_RULE.exec(remark)
  if (rule !== null) {
    const [, user, resource = '', reason = ''] = rule
    return { kind: 'AUTHORIZATION', ...subject(user), resource, reason: reason.replace(/\.$/, '') }
  }
  const user = ACL_2_USER.exec(remark)
  const isKnown = user !== null || ACL_2_TEXTS.some((text) => remark.startsWith(text))
  if (isKnown) return { kind: 'AUTHENTICATION', ...subject(user?.[1]), reason: remark.replace(/\.$/, '') }
  return remark.startsWith('Authorization failed') ? { kind: 'AUTHORIZATION', reason: remark } : undefined
}

function subject(name: string | undefined): { subject?: string } {
  return name === undefined || name === '' ? {} : { subject: name }
}

/** What to do about a denial. @param accessKey - That the request was signed with; undefined when it was not. */
export function denialHint(denial: AccessDenial, accessKey: string | undefined): string {
  if (accessKey === undefined) return 'the server has access control: give the option credentials'
  if (denial.kind === 'AUTHENTICATION')
    return `the server does not accept the credentials with the access key ${accessKey}: see the option credentials`
  return `an administrator of the cluster has to allow it to ${denial.subject ?? accessKey}`
}
