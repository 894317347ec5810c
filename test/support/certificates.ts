import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import os from 'node:os'
import path from 'node:path'

/** A certificate and its key, made here: no tool of the machine is needed. */
export interface Identity {
  readonly cert: string
  /** PKCS#8, the one form of PEM that Netty reads. */
  readonly key: string
  readonly name: string
  readonly privateKey: KeyObject
}

export interface CertificateOptions {
  /** Who signs it. Default: itself. */
  readonly issuer?: Identity
  readonly isAuthority?: boolean
  /** Host names and IPv4 addresses. */
  readonly hosts?: readonly string[]
  /** In days from now. Default −1 and 30. */
  readonly notBefore?: number
  readonly notAfter?: number
}

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const COMMON_NAME = '2.5.4.3'
const BASIC_CONSTRAINTS = '2.5.29.19'
const SUBJECT_ALT_NAME = '2.5.29.17'
const DNS_NAME = 0x82
const IP_ADDRESS = 0x87
const DAY = 86_400_000

/** Makes an X.509 certificate with an elliptic key (P-256). */
export function makeIdentity(name: string, options: CertificateOptions = {}): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { issuer, isAuthority = false, hosts = [], notBefore = -1, notAfter = 30 } = options
  const algorithm = sequence(oid(ECDSA_WITH_SHA256))
  const extensions = [
    extension(BASIC_CONSTRAINTS, true, isAuthority ? sequence(tag(0x01, Buffer.of(0xff))) : sequence()),
    ...(hosts.length > 0 ? [extension(SUBJECT_ALT_NAME, false, sequence(...hosts.map(altName)))] : []),
  ]
  const toBeSigned = sequence(
    tag(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(8)])),
    algorithm,
    nameOf(issuer?.name ?? name),
    sequence(time(notBefore), time(notAfter)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    tag(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', toBeSigned, issuer?.privateKey ?? privateKey)
  const certificate = sequence(toBeSigned, algorithm, tag(0x03, Buffer.concat([Buffer.of(0), signature])))
  return {
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    name,
    privateKey,
  }
}

/** An authority, and what it signs for servers on this machine and for clients. */
export interface TestAuthority {
  readonly ca: Identity
  readonly server: Identity
  readonly client: Identity
}

export function makeAuthority(name = 'Test CA'): TestAuthority {
  const ca = makeIdentity(name, { isAuthority: true })
  return {
    ca,
    server: makeIdentity('test-server', { issuer: ca, hosts: ['localhost', '127.0.0.1'] }),
    client: makeIdentity('test-client', { issuer: ca }),
  }
}

/** A folder for files of a test, and its end. */
export async function certificateFolder(): Promise<{
  write(name: string, text: string): Promise<string>
  remove(): Promise<void>
}> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'rocketmq-certificates-'))
  return {
    async write(name, text) {
      const file = path.join(folder, name)
      await writeFile(file, text)
      return file
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function tag(type: number, content: Buffer): Buffer {
  const { length } = content
  const head =
    length < 0x80 ? [type, length] : length < 0x100 ? [type, 0x81, length] : [type, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tag(0x30, Buffer.concat(parts))
}

function integer(bytes: Buffer): Buffer {
  return tag(0x02, bytes)
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const digits = [part & 0x7f]
    for (let left = part >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80)
    bytes.push(...digits)
  }
  return tag(0x06, Buffer.from(bytes))
}

function nameOf(commonName: string): Buffer {
  return sequence(tag(0x31, sequence(oid(COMMON_NAME), tag(0x0c, Buffer.from(commonName)))))
}

/** UTCTime, which holds until 2050. */
function time(days: number): Buffer {
  const iso = new Date(Date.now() + days * DAY).toISOString()
  return tag(0x17, Buffer.from(`${iso.slice(2, 19).replace(/[-:T]/g, '')}Z`))
}

function altName(host: string): Buffer {
  return isIPv4(host) ? tag(IP_ADDRESS, Buffer.from(host.split('.').map(Number))) : tag(DNS_NAME, Buffer.from(host))
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [tag(0x01, Buffer.of(0xff))] : []
  return sequence(oid(id), ...critical, tag(0x04, value))
}
