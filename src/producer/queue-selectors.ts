import { ClientError, shown } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { type MessageQueueSelector, selectByHash } from './queue-selector.js'

/**
 * Chooses by Java's hash of a key, so that producers in both languages choose the same queue.
 *
 * @param key - The same text for messages whose order matters, as with `shardingKey`, which is also stored with the message.
 * @see SelectMessageQueueByHash
 */
export function selectMessageQueueByHash(key: string): MessageQueueSelector {
  return (queues) => selectByHash(queues, key) as MessageQueue
}

/** Chooses any queue. @see SelectMessageQueueByRandom */
export const selectMessageQueueByRandom: MessageQueueSelector = (queues) => randomOf(queues)

/**
 * Chooses any queue of the brokers in the given machine rooms, and any queue at all while there are none. A broker's room is what stands before the `@` in its name.
 *
 * Java has the name, `SelectMessageQueueByMachineRoom`, and no choice behind it; the rooms are told as its consumers tell them.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT` for what is no list of names.
 * @see AllocateMessageQueueByMachineRoom
 */
export function selectMessageQueueByMachineRoom(rooms: readonly string[]): MessageQueueSelector {
  if (!Array.isArray(rooms) || rooms.length === 0 || !rooms.every((room) => typeof room === 'string' && room !== ''))
    throw new ClientError('INVALID_ARGUMENT', `rooms is ${shown(rooms)}, a list of names expected`)
  const wanted = new Set(rooms)
  return (queues) => {
    const near = queues.filter(({ brokerName }) => wanted.has(roomOf(brokerName)))
    return randomOf(near.length > 0 ? near : queues)
  }
}

function roomOf(brokerName: string): string {
  const at = brokerName.indexOf('@')
  return at < 0 ? '' : brokerName.slice(0, at)
}

function randomOf(queues: readonly MessageQueue[]): MessageQueue {
  return queues[Math.floor(Math.random() * queues.length)] as MessageQueue
}
