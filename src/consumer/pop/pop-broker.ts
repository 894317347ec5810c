import type { Client } from '../../client/client.js'
import { BrokerError, ClientError } from '../../errors.js'
import { probe } from '../../remoting/commands/probe.js'
import { MASTER_ID } from '../../route/topic-route-data.js'

/** The ordinals of `MQVersion.V5_0_0` and `V5_1_3`. */
const POP_VERSION = 413
const BATCH_ACK_VERSION = 439

/** Whether the broker at this address takes several acknowledgements at a time. */
export function hasBatchAck(client: Client, address: string): boolean {
  return client.remoting.serverVersion(address) >= BATCH_ACK_VERSION
}

/**
 * Looks whether the brokers of a topic can be popped. Those that can't be asked now are no obstacle: pops will tell.
 *
 * @throws {@link ClientError} `UNSUPPORTED_BY_BROKER`.
 */
export async function checkPopTopic(client: Client, topic: string): Promise<void> {
  try {
    const route = await client.routes.route(topic)
    const checks = route.data.brokerDatas.map(async ({ brokerName, brokerAddrs }) => {
      const address = brokerAddrs.get(MASTER_ID)
      if (address !== undefined) await checkPopBroker(client, address, brokerName)
    })
    await Promise.all(checks)
  } catch (error) {
    if (error instanceof ClientError && error.code === 'UNSUPPORTED_BY_BROKER') throw error
    client.logger.debug(`whether the brokers of topic ${topic} can be popped is not known`, { error })
  }
}

/**
 * Asks a broker for its version.
 *
 * @throws {@link ClientError} `UNSUPPORTED_BY_BROKER`; {@link RemotingError} when it can't be reached.
 */
async function checkPopBroker(client: Client, address: string, brokerName: string): Promise<void> {
  const { remoting } = client
  if (remoting.serverVersion(address) === 0 && !remoting.isProxy(address)) {
    await remoting.invoke(address, probe, {}).catch((error: unknown) => {
      // Brokers answer that they don't know it: that is an answer, and it tells their version.
      if (!(error instanceof BrokerError)) throw error
    })
  }
  checkPopVersion(client, address, brokerName)
}

/**
 * @throws {@link ClientError} `UNSUPPORTED_BY_BROKER` when the broker is known to be too old, or behind a proxy: that gives no answer to acknowledgements.
 */
export function checkPopVersion(client: Client, address: string, brokerName: string): void {
  if (client.remoting.isProxy(address))
    throw unsupported(brokerName, address, 'is behind a proxy, whose remoting port serves no POP')
  const version = client.remoting.serverVersion(address)
  if (version >= POP_VERSION || version === 0) return
  throw unsupported(brokerName, address, `is older than 5.0.0 (its version number is ${version})`)
}

/** The error of a request that a broker does not know as what it means; any other as it is. */
export function explainPopError(error: unknown, brokerName: string, address: string): unknown {
  if (!(error instanceof BrokerError) || error.responseName !== 'REQUEST_CODE_NOT_SUPPORTED') return error
  return unsupported(brokerName, address, 'does not know it', error)
}

function unsupported(brokerName: string, address: string, why: string, cause?: BrokerError): ClientError {
  const what = `POP: the broker ${brokerName} at ${address} ${why}; consume by pulling: PushConsumer without popMode, or LitePullConsumer`
  return new ClientError('UNSUPPORTED_BY_BROKER', what, { cause })
}
