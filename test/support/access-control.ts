import { randomBytes } from 'node:crypto'
import { isVersion4, type ProxySettings } from './broker-config.js'
import type { Cluster, Credentials } from './cluster.js'
import { createTopicOn } from './create-topic-on.js'
import { type ProbeOptions, probe, topicBrokers } from './remoting-probe.js'
import { newSecret } from './secrets.js'
import { until } from './until.js'

const UPDATE_AND_CREATE_ACL_CONFIG = 50
const DELETE_ACL_CONFIG = 51
const CREATE_USER = 3001
const UPDATE_USER = 3002
const DELETE_USER = 3003
const CREATE_ACL = 3006

/** Topics and groups of a cluster with access control, and who may do what. */
export const ALLOWED_TOPIC = 'allowed'
export const READ_ONLY_TOPIC = 'readonly'
export const ALLOWED_GROUP = 'cg-allowed'
export const OTHER_GROUP = 'cg-other'

/** What the rules of a user allow, in the words of both kinds of access control. */
export interface Rules {
  /** In `plain_acl.yml`, indented by four. */
  readonly acl1: string
  readonly acl2: readonly { readonly resource: string; readonly actions: readonly string[] }[]
}

/** To write to and read from one topic, to read from another, for one group. */
const FEW_ALLOWED: Rules = {
  acl1: `    defaultTopicPerm: DENY
    defaultGroupPerm: DENY
    topicPerms:
      - ${ALLOWED_TOPIC}=PUB|SUB
      - ${READ_ONLY_TOPIC}=SUB
    groupPerms:
      - ${ALLOWED_GROUP}=SUB
`,
  acl2: [
    // Get: for what asks how far a queue reaches.
    { resource: `Topic:${ALLOWED_TOPIC}`, actions: ['Pub', 'Sub', 'Get'] },
    { resource: `Topic:${READ_ONLY_TOPIC}`, actions: ['Sub'] },
    { resource: `Group:${ALLOWED_GROUP}`, actions: ['Sub'] },
  ],
}

const DENY_OTHERS = { admin: 'false', whiteRemoteAddress: '', defaultTopicPerm: 'DENY', defaultGroupPerm: 'DENY' }

/** To produce and to consume, whatever the topic and the group. */
export const everythingAllowed: Rules = {
  acl1: `    defaultTopicPerm: PUB|SUB
    defaultGroupPerm: SUB
`,
  acl2: [
    { resource: 'Topic:*', actions: ['Pub', 'Sub', 'Get'] },
    { resource: 'Group:*', actions: ['Sub', 'Get'] },
  ],
}

export interface AccessControl {
  /** Which kind the version has. */
  readonly kind: 'ACL 1.0' | 'ACL 2.0'
  readonly admin: Credentials
  readonly app: Credentials
  /** What `app` may do. */
  readonly rules: Rules
  /** What the servers are started with. */
  readonly config: Readonly<Record<string, string>>
  readonly files: Readonly<Record<string, string>>
}

/** Keys that nobody guesses: ACL 1.0 wants seven characters at least. */
function newCredentials(name: string): Credentials {
  return {
    accessKey: `${name}-${randomBytes(4).toString('hex')}`,
    secretKey: newSecret(),
  }
}

/** Access control as the version has it: 1.0 up to 5.2, 2.0 from 5.3 on. */
export function accessControlOf(version: string, rules: Rules = FEW_ALLOWED): AccessControl {
  const admin = newCredentials('admin')
  const app = newCredentials('app')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (isVersion4(version) || (major === 5 && minor < 3)) {
    return {
      kind: 'ACL 1.0',
      admin,
      app,
      rules,
      config: { aclEnable: 'true' },
      files: { 'conf/plain_acl.yml': plainAcl(admin, app, rules) },
    }
  }
  return { kind: 'ACL 2.0', admin, app, rules, config: acl2Config(admin), files: {} }
}

function plainAcl(admin: Credentials, app: Credentials, { acl1 }: Rules): string {
  return `globalWhiteRemoteAddresses: []
accounts:
  - accessKey: ${admin.accessKey}
    secretKey: ${admin.secretKey}
    whiteRemoteAddress:
    admin: true
  - accessKey: ${app.accessKey}
    secretKey: ${app.secretKey}
    whiteRemoteAddress:
    admin: false
${acl1}`
}

function acl2Config({ accessKey, secretKey }: Credentials): Record<string, string> {
  const auth = 'org.apache.rocketmq.auth'
  return {
    authenticationEnabled: 'true',
    authenticationProvider: `${auth}.authentication.provider.DefaultAuthenticationProvider`,
    authenticationMetadataProvider: `${auth}.authentication.provider.LocalAuthenticationMetadataProvider`,
    initAuthenticationUser: JSON.stringify({ username: accessKey, password: secretKey }),
    innerClientAuthenticationCredentials: JSON.stringify({ accessKey, secretKey }),
    authorizationEnabled: 'true',
    authorizationProvider: `${auth}.authorization.provider.DefaultAuthorizationProvider`,
    authorizationMetadataProvider: `${auth}.authorization.provider.LocalAuthorizationMetadataProvider`,
    // Brokers keep what they looked up for a minute by default, and tests change it.
    userCacheRefreshSecond: '1',
    userCacheExpiredSecond: '2',
    aclCacheRefreshSecond: '1',
    aclCacheExpiredSecond: '2',
    statefulAuthenticationCacheExpiredSecond: '1',
    statefulAuthorizationCacheExpiredSecond: '1',
  }
}

/** The settings of a proxy that looks who calls, by the users and rules of its brokers (ACL 2.0). Those let it in as the administrator. */
export function proxyAccessOf({ config }: AccessControl): ProxySettings {
  // It makes no user.
  const { initAuthenticationUser: _, ...settings } = config
  const auth = 'org.apache.rocketmq.proxy.auth'
  return {
    ...settings,
    authenticationMetadataProvider: `${auth}.ProxyAuthenticationMetadataProvider`,
    authorizationMetadataProvider: `${auth}.ProxyAuthorizationMetadataProvider`,
    enableAclRpcHookForClusterMode: true,
  }
}

/** Makes the topics, and the users and rules of ACL 2.0; ACL 1.0 has them in a file. */
export async function createRules(
  { kind, admin, app, rules }: AccessControl,
  cluster: Cluster,
  tls?: ProbeOptions['tls'],
): Promise<void> {
  for (const topic of [ALLOWED_TOPIC, READ_ONLY_TOPIC]) {
    for (const { address } of cluster.brokers)
      await createTopicOn(address, { topic, queues: 2 }, { credentials: admin, tls })
    for (const { address } of cluster.nameServers) {
      await until(async () => (await topicBrokers(address, topic, { tls })) !== undefined, 30_000)
    }
  }
  if (kind === 'ACL 2.0') await allow(asker(cluster, admin, tls), app, rules)
}

async function allow(ask: Asker, credentials: Credentials, { acl2 }: Rules): Promise<void> {
  const { accessKey } = credentials
  await ask(CREATE_USER, { username: accessKey }, user(credentials))
  const subject = `User:${accessKey}`
  const entries = acl2.map((rule) => ({ ...rule, sourceIps: [], decision: 'Allow' }))
  await ask(CREATE_ACL, { subject }, { subject, policies: [{ policyType: 'Custom', entries }] })
}

/** Makes brokers know one more user, who may write to and read from what the first one may. */
export async function addUser(
  { kind, admin, rules }: AccessControl,
  cluster: Cluster,
  tls?: ProbeOptions['tls'],
): Promise<Credentials> {
  const added = newCredentials('app')
  const ask = asker(cluster, admin, tls)
  if (kind === 'ACL 2.0') await allow(ask, added, rules)
  else {
    const permissions = { topicPerms: `${ALLOWED_TOPIC}=PUB|SUB`, groupPerms: `${ALLOWED_GROUP}=SUB` }
    await ask(UPDATE_AND_CREATE_ACL_CONFIG, { ...added, ...DENY_OTHERS, ...permissions })
  }
  return added
}

/** Makes brokers forget a user. */
export async function removeUser(
  { kind, admin }: AccessControl,
  cluster: Cluster,
  { accessKey }: Credentials,
  tls?: ProbeOptions['tls'],
): Promise<void> {
  const ask = asker(cluster, admin, tls)
  if (kind === 'ACL 2.0') await ask(DELETE_USER, { username: accessKey })
  else await ask(DELETE_ACL_CONFIG, { accessKey })
}

/** Gives a user of ACL 2.0 another password. */
export async function changePassword(cluster: Cluster, admin: Credentials, changed: Credentials): Promise<void> {
  await asker(cluster, admin)(UPDATE_USER, { username: changed.accessKey }, user(changed))
}

function user({ accessKey, secretKey }: Credentials): object {
  return { username: accessKey, password: secretKey, userType: 'Normal', userStatus: 'enable' }
}

/** Sends a request to every broker. */
type Asker = (code: number, fields: Readonly<Record<string, string>>, body?: object) => Promise<void>

function asker(cluster: Cluster, credentials: Credentials, tls?: ProbeOptions['tls']): Asker {
  return async (code, fields, body) => {
    for (const { address } of cluster.brokers) {
      const request = { code, fields, ...(body !== undefined && { body: JSON.stringify(body) }) }
      const answer = await probe(address, request, { credentials, tls, timeout: 10_000 })
      if (answer.code !== 0)
        throw new Error(`${address} answered request ${code} with ${answer.code}: ${answer.remark}`)
    }
  }
}
