import { accessControlOf, createRules, everythingAllowed } from './access-control.js'
import type { Cluster, ClusterOptions, Credentials } from './cluster-types.js'
import { newSecret } from './secrets.js'
import { serverTls } from './server-tls.js'

/** What clients are made with that know nothing of it themselves. It goes to workers as JSON. */
export interface SecuredAccess {
  /** Of an ordinary user, whose rules allow to produce and to consume, and nothing else. */
  readonly credentials: Credentials & { readonly securityToken: string }
  /** PEM of the authority, of the client and of its key. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  /** For the tests' own requests: create topics and so on. */
  readonly admin: Credentials
}

export interface SecuredCluster {
  readonly options: ClusterOptions
  readonly access: SecuredAccess
  /** To be called when it runs. */
  createRules(cluster: Cluster): Promise<void>
  remove(): Promise<void>
}

const KIND = 'tls+acl'

/**
 * What the shared cluster needs so that its servers speak mutual TLS only and look who calls; undefined unless `ROCKETMQ_SECURED` is `tls+acl`.
 *
 * @throws Error when `ROCKETMQ_SECURED` is something else.
 */
export async function securedCluster(version: string): Promise<SecuredCluster | undefined> {
  const { ROCKETMQ_SECURED: kind } = process.env
  if (!kind) return undefined
  if (kind !== KIND) throw new Error(`ROCKETMQ_SECURED=${kind} is not known: set it to ${KIND} or not at all`)
  const access = accessControlOf(version, everythingAllowed)
  const { authority, jvmOptions, probe, remove } = await serverTls('mutual')
  const { ca, client } = authority
  return {
    options: {
      version,
      route: 'java',
      jvmOptions,
      files: access.files,
      config: access.config,
      credentials: access.admin,
      tls: probe,
    },
    access: {
      credentials: { ...access.app, securityToken: newSecret() },
      tls: { ca: ca.cert, cert: client.cert, key: client.key },
      admin: access.admin,
    },
    createRules: (cluster) => createRules(access, cluster, probe),
    remove,
  }
}
