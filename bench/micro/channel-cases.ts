import { silentLogger } from '../../src/logger.js'
import { sendMessage } from '../../src/remoting/commands/send.js'
import { RemotingClient } from '../../src/remoting/remoting-client.js'
import { bodyOf } from '../clients/job.js'
import { sendHeader } from './codec-cases.js'
import type { Case } from './micro-case.js'

/** Requests of one call. */
const REQUESTS = 256

/** Cases that hold a connection. */
export interface ConnectedCases extends AsyncDisposable {
  readonly cases: readonly Case[]
}

/** Round trips of a send request over a real socket. */
export function channelCases(address: string): ConnectedCases {
  const client = new RemotingClient({
    requestTimeout: 30_000,
    connectTimeout: 30_000,
    serializeType: 'ROCKETMQ',
    maxFrameSize: 16 * 1024 * 1024,
    sendBufferSize: 1024 * 1024,
    receiveBufferSize: 256 * 1024,
    addressMap: (host) => host,
    logger: silentLogger,
  })
  return {
    cases: [1, 64].map((inFlight) => roundTrips(client, address, inFlight)),
    [Symbol.asyncDispose]: () => client.shutdown(),
  }
}

function roundTrips(client: RemotingClient, address: string, inFlight: number): Case {
  const payload = { body: bodyOf(128) }
  const loop = async (): Promise<void> => {
    for (let i = 0; i < REQUESTS / inFlight; i++) {
      await client.invoke(address, sendMessage, sendHeader(i & 7, 'TAGS\u0001TagA\u0002'), payload)
    }
  }
  const body = async (): Promise<void> => {
    await Promise.all(Array.from({ length: inFlight }, loop))
  }
  const name = `round trip of a send request over a channel, ${inFlight} in flight, 128 B`
  return { name, by: 'rocketmq-remoting', operations: REQUESTS, body }
}
