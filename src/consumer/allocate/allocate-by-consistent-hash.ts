import { createHash } from 'node:crypto'
import { ClientError, shown } from '../../errors.js'
import type { MessageQueue } from '../../message/message.js'
import { messageQueueKey } from '../../message/message-queue.js'
import { type AllocateMessageQueueStrategy, named } from './allocate-message-queue-strategy.js'

const DEFAULT_VIRTUAL_NODES = 10
const MAX_VIRTUAL_NODES = 10_000

/**
 * Queues by a hash ring, so that few of them move when a member comes or goes; shares are uneven. 10 virtual nodes a member, as Java has it.
 *
 * @see AllocateMessageQueueConsistentHash
 */
export const allocateByConsistentHash = consistentHashAllocation(DEFAULT_VIRTUAL_NODES)

/**
 * {@link allocateByConsistentHash} with another number of virtual nodes a member: more make shares more even.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no whole number from 1 to 10000.
 */
export function consistentHashAllocation(virtualNodeCnt: number): AllocateMessageQueueStrategy {
  if (!Number.isInteger(virtualNodeCnt) || virtualNodeCnt < 1 || virtualNodeCnt > MAX_VIRTUAL_NODES) {
    const problem = `virtualNodeCnt is ${shown(virtualNodeCnt)}, a whole number from 1 to ${MAX_VIRTUAL_NODES} expected`
    throw new ClientError('INVALID_ARGUMENT', problem)
  }
  return named('CONSISTENT_HASH', (_group, currentClientId, queues, clientIds): MessageQueue[] => {
    if (!clientIds.includes(currentClientId)) return []
    const ring = new HashRing(clientIds, virtualNodeCnt)
    return queues.filter((queue) => ring.ownerOf(messageQueueKey(queue)) === currentClientId)
  })
}

/** @see ConsistentHashRouter */
class HashRing {
  readonly #owners = new Map<number, string>()
  readonly #hashes: readonly number[]

  constructor(clientIds: readonly string[], virtualNodeCnt: number) {
    // Of two nodes with the same hash, the later one stays.
    for (const clientId of clientIds) {
      for (let i = 0; i < virtualNodeCnt; i++) this.#owners.set(hashOf(`${clientId}-${i}`), clientId)
    }
    this.#hashes = [...this.#owners.keys()].sort((a, b) => a - b)
  }

  /** That of the first node from the key's hash on; behind the last one the ring begins again. */
  ownerOf(key: string): string | undefined {
    const hash = hashOf(key)
    let low = 0
    let high = this.#hashes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#hashes[middle] ?? 0) < hash) low = middle + 1
      else high = middle
    }
    return this.#owners.get(this.#hashes[low % this.#hashes.length] ?? 0)
  }
}

/** The first four bytes of the MD5. */
function hashOf(key: string): number {
  return createHash('md5').update(key, 'utf8').digest().readUInt32BE(0)
}
