import type { Client } from '../client/client.js'
import type { ClientWarning } from '../client/member.js'
import { RETRY_TOPIC_PREFIX } from '../message/names.js'
import {
  type ConsumerConnection,
  getConsumerConnectionList,
  type KnownSubscription,
  readConsumerConnection,
} from '../remoting/commands/group.js'
import { brokerAddresses } from './any-broker.js'
import type { Subscriptions } from './subscriptions.js'

const BROKERS_ASKED = 8
const CLIENT_IDS_SHOWN = 8

/**
 * Compares what this member subscribes to with what brokers have from the others. Brokers keep one list of subscriptions for a group, that of the member which spoke
 * last: members that differ take messages from each other, and nobody gets an error.
 *
 * It says each difference once, and is never in the way of work.
 */
export class SubscriptionGuard {
  readonly #client: Client
  readonly #consumerGroup: string
  readonly #subscriptions: Subscriptions
  readonly #warn: (warning: ClientWarning) => void
  readonly #told = new Set<string>()

  constructor(client: Client, wireGroup: string, subscriptions: Subscriptions, warn: (warning: ClientWarning) => void) {
    this.#client = client
    this.#consumerGroup = wireGroup
    this.#subscriptions = subscriptions
    this.#warn = warn
  }

  /**
   * Asks the brokers of the member's topics. The answer says nothing just after this member has told them its own subscriptions, and most before.
   * Never rejects.
   */
  async check(): Promise<void> {
    await Promise.all(
      this.#addresses().map(async (address) => {
        try {
          const header = { consumerGroup: this.#consumerGroup }
          const { body } = await this.#client.remoting.invoke(address, getConsumerConnectionList, header)
          this.#compare(readConsumerConnection(body))
        } catch (error) {
          // Also when nobody is in the group yet.
          this.#client.logger.debug(`subscriptions of the group were not compared with broker ${address}`, { error })
        }
      }),
    )
  }

  #addresses(): string[] {
    const { routes } = this.#client
    const known = this.#subscriptions.topics.flatMap((topic) => routes.cached(topic) ?? [])
    return [...new Set(known.flatMap(brokerAddresses))].slice(0, BROKERS_ASKED)
  }

  #compare({ clientIds, subscriptions }: ConsumerConnection): void {
    const others = clientIds.filter((clientId) => clientId !== this.#client.clientId)
    if (others.length === 0) return
    for (const topic of new Set([...this.#subscriptions.topics, ...subscriptions.keys()])) {
      const own = this.#subscriptions.get(topic)
      const theirs = subscriptions.get(topic)
      if (!topic.startsWith(RETRY_TOPIC_PREFIX) && !isSame(own, theirs)) this.#tell(topic, own, theirs, others)
    }
  }

  #tell(
    wireTopic: string,
    own: KnownSubscription | undefined,
    theirs: KnownSubscription | undefined,
    others: readonly string[],
  ): void {
    const { namespace } = this.#client
    const topic = namespace.unwrap(wireTopic)
    const group = namespace.unwrap(this.#consumerGroup)
    const difference = `this one ${said(own)}, another ${said(theirs)}`
    const key = `${topic}: ${difference}`
    if (this.#told.has(key)) return
    this.#told.add(key)
    const rest = others.length > CLIENT_IDS_SHOWN ? ` and ${others.length - CLIENT_IDS_SHOWN} more` : ''
    const ids = others.slice(0, CLIENT_IDS_SHOWN).join(', ') + rest
    this.#warn({
      code: 'SUBSCRIPTIONS_DIFFER',
      topic,
      message: `members of the consumer group ${group} differ about topic ${topic}: ${difference} (${ids}). Brokers keep one subscription for a group, so that messages are not delivered: let all members of a group subscribe to the same`,
    })
  }
}

function isSame(own: KnownSubscription | undefined, theirs: KnownSubscription | undefined): boolean {
  if (own === undefined || theirs === undefined) return false
  if (own.expressionType !== theirs.expressionType) return false
  if (own.expressionType !== 'TAG') return own.subString === theirs.subString
  const tags = new Set(theirs.tagsSet)
  return own.tagsSet.length === tags.size && own.tagsSet.every((tag) => tags.has(tag))
}

function said(subscription: KnownSubscription | undefined): string {
  if (subscription === undefined) return 'does not subscribe to it'
  const { expressionType, subString } = subscription
  const text = JSON.stringify(subString)
  return expressionType === 'TAG' ? `subscribes to ${text}` : `subscribes to ${text} (${expressionType})`
}
