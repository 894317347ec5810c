import { decodeProperties } from '../../../src/codec/properties.js'
import type { RemotingCommand } from '../../../src/codec/remoting-command.js'
import { brokerData, Code, queueData, routeBody } from '../scripted-cluster.js'
import { GroupCode } from '../scripted-group.js'
import { LockCode } from '../scripted-locks.js'
import { PopCode } from '../scripted-pop.js'
import { storedMessage } from '../stored-message-bytes.js'
import type { Answer } from './answer.js'

const RECALL = 370
const BROKER = 'broker-a'
const MAX_OFFSET = 1_000_000
const OFFSET_MOVED = 21
const QUEUES = 2

interface ConsumerData {
  readonly groupName: string
}

/** What a NameServer and a broker answer whose queues never end: each pull finds two messages. They know every topic. */
export class HonestBroker {
  readonly #address: () => string
  readonly #members = new Map<string, string>()
  #nextOffset = 0

  /** @param address - Of the broker, for routes. */
  constructor(address: () => string) {
    this.#address = address
  }

  answer(request: RemotingCommand): Answer {
    const { opaque, code } = request
    const parts = this.#parts(request)
    const fields = Object.fromEntries(Object.entries(parts.fields ?? {}).map(([name, value]) => [name, String(value)]))
    const isRefused = code === GroupCode.CONSUMER_LIST && parts.body === undefined
    return { code: parts.code ?? (isRefused ? 1 : 0), opaque, fields, body: parts.body ?? Buffer.alloc(0) }
  }

  #parts(request: RemotingCommand): { code?: number; fields?: Record<string, string | number>; body?: Buffer } {
    switch (request.code) {
      case Code.ROUTE:
        return { body: this.#route() }
      case Code.SEND:
      case Code.SEND_BATCH: {
        const queueOffset = this.#nextOffset++
        return {
          fields: {
            msgId: '7F00000100002A9F0000000000000001',
            queueId: request.field('e') ?? 0,
            queueOffset,
            transactionId: 'x',
          },
        }
      }
      case Code.PULL:
      case Code.LITE_PULL:
        return pulled(request)
      case Code.QUERY_OFFSET:
      case Code.SEARCH_OFFSET:
      case Code.MIN_OFFSET:
        return { fields: { offset: 0 } }
      case Code.MAX_OFFSET:
        return { fields: { offset: MAX_OFFSET } }
      case Code.EARLIEST_STORE_TIME:
        return { fields: { timestamp: 1_700_000_000_000 } }
      case Code.HEARTBEAT:
        this.#meet(request)
        return { fields: { IS_SUPPORT_HEART_BEAT_V2: 'true', IS_SUB_CHANGE: 'true' } }
      case GroupCode.CONSUMER_LIST:
        return this.#list(request)
      case GroupCode.CONSUMER_CONNECTION:
        return { body: text({ connectionSet: [], subscriptionTable: {} }) }
      case GroupCode.QUERY_ASSIGNMENT:
        return { body: assignment(request) }
      case LockCode.LOCK:
        return { body: text({ lockOKMQSet: parsed(request).mqSet ?? [] }) }
      case PopCode.POP:
        return popped(request)
      case PopCode.NOTIFICATION:
        return { fields: { hasMsg: 'true', pollingFull: 'false' } }
      case PopCode.CHANGE_INVISIBLE_TIME:
        return { fields: { popTime: Date.now(), invisibleTime: request.field('invisibleTime') ?? 0, reviveQid: 1 } }
      case RECALL:
        return { fields: { msgId: 'recalled' } }
      default:
        return {}
    }
  }

  #route(): Buffer {
    return routeBody({
      queueDatas: [queueData(BROKER, QUEUES)],
      brokerDatas: [brokerData(BROKER, { 0: this.#address() })],
    })
  }

  #meet(request: RemotingCommand): void {
    const { clientID, consumerDataSet = [] } = parsed(request)
    for (const { groupName } of consumerDataSet as ConsumerData[]) this.#members.set(groupName, String(clientID))
  }

  #list(request: RemotingCommand): { body?: Buffer } {
    const member = this.#members.get(request.field('consumerGroup') ?? '')
    return member === undefined ? {} : { body: text({ consumerIdList: [member] }) }
  }
}

function pulled(request: RemotingCommand) {
  const offset = Number(request.field('queueOffset'))
  const bounds = { suggestWhichBrokerId: 0, minOffset: 0, maxOffset: MAX_OFFSET }
  if (offset >= MAX_OFFSET) return { code: OFFSET_MOVED, fields: { ...bounds, nextBeginOffset: 0 } }
  const topic = request.field('topic') ?? ''
  const queueId = Number(request.field('queueId'))
  const body = Buffer.concat([offset, offset + 1].map((queueOffset) => message(topic, queueId, queueOffset)))
  return { fields: { ...bounds, nextBeginOffset: offset + 2 }, body }
}

function popped(request: RemotingCommand) {
  const invisibleTime = request.field('invisibleTime') ?? 0
  const base = { popTime: Date.now(), invisibleTime, reviveQid: 1, restNum: 1 }
  const fields = { ...base, startOffsetInfo: '0 0 5', msgOffsetInfo: '0 0 5', orderCountInfo: '' }
  return { fields, body: message(request.field('topic') ?? '', 0, 5) }
}

function message(topic: string, queueId: number, queueOffset: number): Buffer {
  return storedMessage({ topic, queueId, queueOffset, properties: { UNIQ_KEY: `id-${queueOffset}`, TAGS: 'a' } })
}

function assignment(request: RemotingCommand): Buffer {
  const { topic } = parsed(request)
  const messageQueue = { topic, brokerName: BROKER, queueId: -1 }
  return text({ messageQueueAssignments: [{ messageQueue, mode: 'POP', attachments: {} }] })
}

function parsed(request: RemotingCommand): Record<string, unknown> {
  return JSON.parse(request.body.toString())
}

function text(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** The correlation id of a request that a producer sent, where it waits for a reply. */
export function correlationIdOf(request: RemotingCommand): string | undefined {
  return decodeProperties(request.field('i') ?? '').CORRELATION_ID
}
