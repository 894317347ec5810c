/** Of a frame of HTTP/2: length, type, flags, stream. */
const HTTP_2_HEAD = 9
const HTTP_2_SETTINGS = 4
const TLS_ALERT = 0x15
const TLS_HANDSHAKE = 0x16
const TLS_MAJOR = 3

/** Which protocol of others a server speaks, by the first bytes that it sent; undefined for one that may be RocketMQ's. */
export function foreignProtocol(bytes: Buffer): string | undefined {
  if (bytes.toString('latin1', 0, 5) === 'HTTP/') return 'an HTTP server answers there'
  if ((bytes[0] === TLS_ALERT || bytes[0] === TLS_HANDSHAKE) && bytes[1] === TLS_MAJOR)
    return 'a server with TLS answers there: see the option tls'
  // A frame of RocketMQ has no header of length 0.
  const isHttp2 =
    bytes.length >= HTTP_2_HEAD && bytes[0] === 0 && bytes[3] === HTTP_2_SETTINGS && bytes.readUInt32BE(4) === 0
  if (isHttp2)
    return "a gRPC or HTTP/2 server answers there: RocketMQ's proxy has another port for the remoting protocol, by default 8080"
  return undefined
}
