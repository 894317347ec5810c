import { ClientError } from '../errors.js'
import type { BrokerFeature } from './message-timing.js'

/** The first version of a broker that knows a feature, as an ordinal of `MQVersion` and as people write it. */
const FEATURES: Readonly<Record<BrokerFeature, { since: number; version: string; title: string; otherwise: string }>> =
  {
    TIMER: {
      since: 413,
      version: '5.0.0',
      title: 'delayMs and deliverAt (timer messages)',
      otherwise: 'it would deliver the message at once; use delayLevel',
    },
    PRIORITY: { since: 493, version: '5.4.0', title: 'priority', otherwise: 'it would pass over the priority' },
  }

/**
 * Refuses what a broker would pass over in silence.
 *
 * @param serverVersion - Ordinal of `MQVersion` as the broker's answers say it; 0 when none is known.
 * @throws {@link ClientError} `UNSUPPORTED_BY_BROKER`.
 */
export function checkBrokerFeature(
  feature: BrokerFeature,
  serverVersion: number,
  topic: string,
  address: string,
): void {
  const { since, version, title, otherwise } = FEATURES[feature]
  if (serverVersion >= since) return
  throw new ClientError(
    'UNSUPPORTED_BY_BROKER',
    `${title} of a message for topic ${topic}: the broker at ${address} is older than ${version} (its version number is ${serverVersion}), and ${otherwise}`,
  )
}
