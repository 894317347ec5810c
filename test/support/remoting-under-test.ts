import { onTestFinished } from 'vitest'
import { defineCommand } from '../../src/codec/command.js'
import { int, optional, string } from '../../src/codec/header-field.js'
import { silentLogger } from '../../src/logger.js'
import { RemotingClient, type RemotingClientOptions } from '../../src/remoting/remoting-client.js'

/** A command of the tests: any server answers it as it is told to. */
export const ask = defineCommand({ code: 9001, name: 'ASK', requestHeader: { text: optional(string()) } })

/** A command whose answer must have a field. */
export const count = defineCommand({ code: 9002, name: 'COUNT', responseHeader: { count: int() } })

/** A remoting client that is shut down when the running test ends. */
export function remotingClient(options: Partial<RemotingClientOptions> = {}): RemotingClient {
  const client = new RemotingClient({
    requestTimeout: 5_000,
    connectTimeout: 5_000,
    serializeType: 'ROCKETMQ',
    maxFrameSize: 16 * 1024 * 1024,
    sendBufferSize: 1024 * 1024,
    receiveBufferSize: 64 * 1024,
    addressMap: (address) => address,
    logger: silentLogger,
    ...options,
  })
  onTestFinished(() => client.shutdown())
  return client
}
