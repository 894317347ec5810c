import type { ConnectionOptions } from 'node:tls'
import type { TlsOptions } from '../../src/index.js'
import type { ProxySettings } from './broker-config.js'
import { certificateFolder, makeAuthority, type TestAuthority } from './certificates.js'
import { searchForSecrets } from './secrets.js'

export type TlsKind = 'one-way' | 'mutual'

/** Certificates of a cluster whose servers speak TLS only, and what each side is given. */
export interface ServerTls {
  readonly authority: TestAuthority
  /** For every server. */
  readonly jvmOptions: readonly string[]
  /** For requests of the tests' own. */
  readonly probe: ConnectionOptions
  /** For clients under test. */
  readonly client: TlsOptions
  /** The same as paths of files. */
  readonly clientFiles: TlsOptions
  /** What a proxy takes from its own settings; the rest it has from `jvmOptions`. */
  readonly proxySettings: ProxySettings
  /** Puts certificates of another authority in the place of all files. Servers look for that twice a second. */
  replace(): Promise<TestAuthority>
  remove(): Promise<void>
}

/** Writes the certificates of a cluster; `mutual`: its servers want one of clients too. Brokers are clients of NameServers. */
export async function serverTls(kind: TlsKind): Promise<ServerTls> {
  searchForSecrets()
  const authority = makeAuthority()
  const files = await certificateFolder()
  const write = ({ ca, server, client }: TestAuthority) =>
    Promise.all([
      files.write('ca.pem', ca.cert),
      files.write('server.pem', server.cert),
      files.write('server.key', server.key),
      files.write('client.pem', client.cert),
      files.write('client.key', client.key),
    ])
  const [caFile, serverCert, serverKey, clientCert, clientKey] = await write(authority)
  const { ca, client } = authority
  const isMutual = kind === 'mutual'
  const properties = {
    'tls.test.mode.enable': 'false',
    'tls.server.need.client.auth': isMutual ? 'require' : 'none',
    'tls.server.authClient': String(isMutual),
    'tls.server.trustCertPath': caFile,
    'tls.server.keyPath': serverKey,
    'tls.server.certPath': serverCert,
    'tls.client.authServer': 'true',
    'tls.client.trustCertPath': caFile,
    'tls.client.keyPath': clientKey,
    'tls.client.certPath': clientCert,
  }
  const text = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  const config = await files.write('tls.properties', text.join(''))
  const own = isMutual ? { cert: client.cert, key: client.key } : {}
  return {
    authority,
    jvmOptions: ['-Dtls.server.mode=enforcing', '-Dtls.enable=true', `-Dtls.config.file=${config}`],
    probe: { ca: ca.cert, ...own },
    client: { ca: ca.cert, ...own },
    clientFiles: { ca: caFile, ...(isMutual && { cert: clientCert, key: clientKey }) },
    proxySettings: { tlsTestModeEnable: false, tlsCertPath: serverCert, tlsKeyPath: serverKey },
    replace: async () => {
      const next = makeAuthority('Next CA')
      await write(next)
      return next
    },
    remove: files.remove,
  }
}
