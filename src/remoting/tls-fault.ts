import { isIP } from 'node:net'
import type { PeerCertificate, TLSSocket } from 'node:tls'

/** What is wrong with a certificate, by the code of OpenSSL. */
const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it was revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed, and none of those that tls.ca names',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is none of those that tls.ca names',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate of its issuer is not known: give it in tls.ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is none of those that tls.ca names',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is none of those that tls.ca names',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  INVALID_PURPOSE: 'it is not meant for servers',
  INVALID_CA: 'its issuer is no authority',
}

const HANDSHAKE_FAILURE = 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE'

/** What ended a handshake, by the code of Node.js. */
const HANDSHAKE_FAULTS: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER:
    'what answers there does not speak TLS: it is a port without TLS, or of another protocol such as HTTP',
  ERR_SSL_PACKET_LENGTH_TOO_LONG:
    'what answers there does not speak TLS: it is a port without TLS, or of another protocol',
  ERR_SSL_HTTP_REQUEST: 'what answers there speaks HTTP without TLS',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the server speaks only older versions of TLS than tls.minVersion allows',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION:
    'the server speaks none of the versions of TLS that this client does (tls.minVersion)',
  [HANDSHAKE_FAILURE]:
    'the server ended the handshake: no cipher or version in common, or it wants a client certificate (tls.cert, tls.key)',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'the server wants a client certificate: give tls.cert and tls.key',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the server does not know the authority of the client certificate (tls.cert)',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'the server does not accept the client certificate (tls.cert), or wants one',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'the client certificate (tls.cert) has expired',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'the server does not accept the client certificate (tls.cert)',
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: 'the server does not accept the client certificate (tls.cert)',
}

const RENEGOTIATION = 'the server asked for a second TLS handshake (renegotiation), which this client refuses'

/**
 * What a fault of TLS means for someone who runs a cluster; undefined for what is none.
 *
 * @param version - Of TLS, on a connection whose handshake has ended.
 */
export function explainTlsFault(error: NodeJS.ErrnoException, version?: string | null): string | undefined {
  const { code = '' } = error
  // Newer versions of OpenSSL have another name for the alerts that came with SSL 3.
  const name = code.replace('SSL/TLS_ALERT', 'SSLV3_ALERT')
  // In TLS 1.3 a handshake has ended for the client before the server says what it makes of it.
  const isSecondHandshake = name === HANDSHAKE_FAILURE && version != null && version !== 'TLSv1.3'
  const meaning = isSecondHandshake ? RENEGOTIATION : HANDSHAKE_FAULTS[name]
  return meaning === undefined ? undefined : `${meaning} (${code})`
}

/** What is wrong with the certificate of a server whose handshake has ended; undefined when nothing is. @param name - That it must be for. */
export function certificateFault(socket: TLSSocket, name: string): string | undefined {
  if (socket.authorized) return undefined
  // A text or an Error, whatever its declared type says.
  const found = socket.authorizationError as unknown
  const code = found instanceof Error ? ((found as NodeJS.ErrnoException).code ?? found.message) : String(found)
  const certificate = socket.getPeerCertificate()
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return wrongName(certificate, name, code)
  const meaning = CERTIFICATE_FAULTS[code] ?? 'it can not be verified'
  return `the server's certificate is not accepted: ${meaning} (${code}); ${described(certificate)}`
}

function wrongName(certificate: PeerCertificate, name: string, code: string): string {
  const advice =
    isIP(name) === 0
      ? 'see tls.servername'
      : 'give the name that it has as tls.servername, or have a certificate with the IP address made'
  return `the server's certificate is not for ${name} but for ${certificate.subjectaltname ?? 'no name at all'} (${code}): ${advice}; ${described(certificate)}`
}

function described({ subject, issuer, valid_from: from, valid_to: to }: PeerCertificate): string {
  if (subject === undefined) return 'there is none'
  return `subject ${nameOf(subject)}, issuer ${nameOf(issuer)}, valid from ${from} to ${to}`
}

function nameOf(name: PeerCertificate['subject'] | undefined): string {
  return String(name?.CN ?? name?.O ?? 'without a name')
}
