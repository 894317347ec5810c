import { describe, expect, it } from 'vitest'
import { readAccessDenial } from '../../src/remoting/access-denial.js'

const at = 'org.apache.rocketmq.acl.plain.PlainPermissionManager.validate(PlainPermissionManager.java:629)'
const acl1 = (text: string) => `org.apache.rocketmq.acl.common.AclException: ${text}, ${at}`

describe.each([
  ['a broker', 16],
  ['a proxy, where it is a SYSTEM_ERROR', 1],
])('a refusal by ACL 2.0 of %s', (_who, code) => {
  it.each([
    ['no matched policies.', 'no matched policies'],
    ['the decision is deny.', 'the decision is deny'],
  ])('names who asked for what, and the rule: %s', (rule, reason) => {
    const remark = `User:app has no permission to access Topic:orders from 192.0.2.1, ${rule}`
    expect(readAccessDenial(code, remark)).toEqual({
      kind: 'AUTHORIZATION',
      subject: 'User:app',
      resource: 'Topic:orders',
      reason,
    })
  })

  it.each([
    ['username cannot be null.', undefined],
    ['User:app is not found.', 'User:app'],
    ['User:app is disabled.', 'User:app'],
    ['User:app not found.', 'User:app'],
    ['check signature failed.', undefined],
    ['Authentication failed. Please verify the credentials and try again.', undefined],
    ['create authentication context error.', undefined],
  ])('says that the server does not know who asks: %s', (remark, subject) => {
    expect(readAccessDenial(code, remark)).toEqual({
      kind: 'AUTHENTICATION',
      ...(subject !== undefined && { subject }),
      reason: remark.slice(0, -1),
    })
  })
})

describe('a refusal by ACL 1.0, which comes as a SYSTEM_ERROR', () => {
  it.each([
    ['No default permission for topic:orders', 'Topic:orders'],
    ['No default permission for group:billing', 'Group:billing'],
    ['No permission for topic:orders', 'Topic:orders'],
  ])('names the resource and the rule: %s', (text, resource) => {
    expect(readAccessDenial(1, acl1(text))).toEqual({ kind: 'AUTHORIZATION', resource, reason: text })
  })

  it('names the access key that is no administrator', () => {
    const reason = 'Need admin permission for request code=17, but accessKey=appuser001 is not'
    expect(readAccessDenial(1, acl1(reason))).toEqual({ kind: 'AUTHORIZATION', subject: 'appuser001', reason })
  })

  it.each([
    ['Check signature failed for accessKey=appuser001', 'appuser001'],
    ['No acl config for appuser001', 'appuser001'],
    ['No PlainAccessResource for accessKey=appuser001', 'appuser001'],
    ['No accessKey is configured', undefined],
  ])('says that the server does not know who asks: %s', (reason, subject) => {
    expect(readAccessDenial(1, acl1(reason))).toEqual({
      kind: 'AUTHENTICATION',
      ...(subject !== undefined && { subject }),
      reason,
    })
  })
})

describe('other refusals', () => {
  it.each([
    [16, 'the broker[127.0.0.1] sending message is forbidden'],
    [16, 'the topic[orders] sending message is forbidden'],
    [16, ''],
    [1, 'java.lang.NullPointerException'],
    [1, ''],
    [17, 'User:app has no permission to access Topic:orders from 192.0.2.1, no matched policies.'],
    [17, acl1('No accessKey is configured')],
  ])('are none of access: %d %s', (code, remark) => {
    expect(readAccessDenial(code, remark)).toBeUndefined()
  })

  it('may be of any length and content', () => {
    for (const piece of ['User: ', 'AclException: ', ' has no permission to access ', 'from , ', 'User:a ']) {
      const remark = piece.repeat(100_000)
      expect(readAccessDenial(16, remark)).toBeUndefined()
      expect(readAccessDenial(2, remark)).toBeUndefined()
    }
  })
})
