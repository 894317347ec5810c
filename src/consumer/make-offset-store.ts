import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '../client/client.js'
import type { MessageModel } from '../client/subscription-data.js'
import { LocalOffsetStore } from './local-offset-store.js'
import type { OffsetStore } from './offset-store.js'
import type { QueueRequests } from './queue-requests.js'
import { RemoteOffsetStore } from './remote-offset-store.js'

export interface OffsetStoreChoice {
  readonly messageModel: MessageModel
  /** Default `~/.rocketmq_offsets`. */
  readonly localOffsetStoreDir: string | undefined
}

/** Where a group keeps its offsets unless its user has another place: at the brokers, or where messages are broadcast in a file. */
export function makeOffsetStore(
  client: Client,
  requests: QueueRequests,
  { messageModel, localOffsetStoreDir }: OffsetStoreChoice,
  report: (error: unknown, what: string) => void,
): OffsetStore {
  const { consumerGroup } = requests
  if (messageModel === 'BROADCASTING') {
    const directory = localOffsetStoreDir ?? join(homedir(), '.rocketmq_offsets')
    return new LocalOffsetStore(directory, client.stableId, consumerGroup, report)
  }
  return new RemoteOffsetStore(client, consumerGroup, (queue, options) => requests.address(queue, options), report)
}
