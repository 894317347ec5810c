import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import type { ScriptedBroker } from './scripted-cluster.js'
import type { FrameParts, ScriptedConnection } from './scripted-server.js'
import { type StoredParts, storedMessage } from './stored-message-bytes.js'

export const PopCode = {
  POP: 200_050,
  ACK: 200_051,
  CHANGE_INVISIBLE_TIME: 200_053,
  NOTIFICATION: 200_054,
  BATCH_ACK: 200_151,
} as const

const POLLING_TIMEOUT = 210
const POP_TIME = 1_700_000_000_000

/** One message that was acknowledged. */
export interface AckedMessage {
  readonly topic: string
  readonly queueId: number
  readonly offset: number
  readonly isBatch: boolean
  /** Of a single one. */
  readonly extraInfo?: string
}

export interface ChangedMessage {
  readonly topic: string
  readonly queueId: number
  readonly offset: number
  readonly extraInfo: string
  readonly invisibleTime: number
}

type Held = [RemotingCommand, ScriptedConnection]

/** What a broker answers to those who pop topic T: messages that a test puts there. It hands each out once, and takes down what becomes of it. */
export class ScriptedPop {
  readonly broker: ScriptedBroker
  readonly acked: AckedMessage[] = []
  readonly changed: ChangedMessage[] = []
  /** Instead of the time that was asked for. */
  invisibleTime: number | undefined
  /** Instead of an answer to a pop. */
  onPop: ((request: RemotingCommand, connection: ScriptedConnection) => boolean) | undefined
  /** What answers say beside. */
  answerParts: FrameParts = {}
  #messages: StoredParts[] = []
  #held: Held[] = []
  #nextOffset = 0
  #popTime = POP_TIME

  constructor(broker: ScriptedBroker) {
    this.broker = broker
    broker.scripts.set(PopCode.POP, (request, connection) => this.#onPopRequest(request, connection))
    broker.scripts.set(PopCode.NOTIFICATION, (request, connection) => this.#notify(request, connection))
    broker.scripts.set(PopCode.ACK, (request, connection) => this.#ack(request, connection))
    broker.scripts.set(PopCode.BATCH_ACK, (request, connection) => this.#batchAck(request, connection))
    broker.scripts.set(PopCode.CHANGE_INVISIBLE_TIME, (request, connection) => this.#change(request, connection))
  }

  /** Pops that were for messages. */
  get pops(): RemotingCommand[] {
    return this.broker.server.requestsOf(PopCode.POP).filter((request) => request.field('maxMsgNums') !== '0')
  }

  /** Requests that wait for a message. */
  get heldCount(): number {
    return this.#held.length
  }

  get waitingCount(): number {
    return this.#messages.length
  }

  get ackedOffsets(): number[] {
    return this.acked.map(({ offset }) => offset)
  }

  /** Puts messages there, and wakes one that waits. */
  fill(count: number, parts: Partial<StoredParts> = {}): void {
    for (let i = 0; i < count; i++) {
      const queueOffset = this.#nextOffset++
      this.#messages.push({ queueOffset, properties: { UNIQ_KEY: `id-${queueOffset}` }, ...parts })
    }
    const first = this.#held.shift()
    if (first !== undefined) this.#wake(first)
  }

  /** Answers a pop with what is there. */
  answerPop(request: RemotingCommand, connection: ScriptedConnection): void {
    const messages = this.#messages.splice(0, Number(request.field('maxMsgNums')))
    const popTime = this.#popTime++
    const invisibleTime = this.invisibleTime ?? Number(request.field('invisibleTime'))
    const base = { popTime, invisibleTime, reviveQid: 1, restNum: this.#messages.length }
    if (messages.length === 0) {
      connection.answer(request, { code: POLLING_TIMEOUT, fields: base })
      return
    }
    const { startOffsetInfo, msgOffsetInfo } = offsetInfos(messages)
    const fields = { ...base, startOffsetInfo, msgOffsetInfo, ...this.answerParts.fields }
    const body = Buffer.concat(messages.map(storedMessage))
    connection.answer(request, { body, ...this.answerParts, fields })
  }

  #onPopRequest(request: RemotingCommand, connection: ScriptedConnection): void {
    if (this.onPop?.(request, connection)) return
    const isForNothing = request.field('maxMsgNums') === '0'
    if (isForNothing || this.#messages.length > 0 || Number(request.field('pollTime')) === 0) {
      this.answerPop(request, connection)
    } else this.#hold(request, connection)
  }

  #notify(request: RemotingCommand, connection: ScriptedConnection): void {
    if (this.#messages.length > 0 || Number(request.field('pollTime')) === 0) {
      connection.answer(request, { fields: { hasMsg: String(this.#messages.length > 0) } })
    } else this.#hold(request, connection)
  }

  #hold(request: RemotingCommand, connection: ScriptedConnection): void {
    const held: Held = [request, connection]
    this.#held.push(held)
    const onTimeout = () => {
      if (!this.#held.includes(held)) return
      this.#held = this.#held.filter((one) => one !== held)
      this.#wake(held)
    }
    setTimeout(onTimeout, Number(request.field('pollTime'))).unref()
  }

  #wake([request, connection]: Held): void {
    if (request.code === PopCode.POP) this.answerPop(request, connection)
    else connection.answer(request, { fields: { hasMsg: String(this.#messages.length > 0) } })
  }

  #ack(request: RemotingCommand, connection: ScriptedConnection): void {
    const extraInfo = request.field('extraInfo') ?? ''
    this.acked.push({ ...placeOf(request), isBatch: false, extraInfo })
    connection.answer(request)
  }

  #batchAck(request: RemotingCommand, connection: ScriptedConnection): void {
    const { acks } = JSON.parse(request.body.toString()) as { acks: { t: string; q: number; so: number; b: string }[] }
    for (const { t: topic, q: queueId, so, b } of acks) {
      for (const bit of bitsOf(b)) this.acked.push({ topic, queueId, offset: so + bit, isBatch: true })
    }
    connection.answer(request)
  }

  #change(request: RemotingCommand, connection: ScriptedConnection): void {
    const extraInfo = request.field('extraInfo') ?? ''
    const invisibleTime = Number(request.field('invisibleTime'))
    this.changed.push({ ...placeOf(request), extraInfo, invisibleTime })
    connection.answer(request, { fields: { popTime: this.#popTime++, invisibleTime, reviveQid: 1 } })
  }
}

function placeOf(request: RemotingCommand): { topic: string; queueId: number; offset: number } {
  const {
    topic = '',
    queueId,
    offset,
  } = Object.fromEntries(['topic', 'queueId', 'offset'].map((name) => [name, request.field(name)]))
  return { topic, queueId: Number(queueId), offset: Number(offset) }
}

function offsetInfos(messages: readonly StoredParts[]): { startOffsetInfo: string; msgOffsetInfo: string } {
  const queues = new Map<string, number[]>()
  for (const { topic = 'T', queueId = 0, queueOffset } of messages) {
    const retry = topic.startsWith('%RETRY%') ? '1' : '0'
    const key = `${retry} ${queueId}`
    queues.set(key, [...(queues.get(key) ?? []), queueOffset])
  }
  const entries = [...queues]
  return {
    startOffsetInfo: entries.map(([key, offsets]) => `${key} ${offsets[0]}`).join(';'),
    msgOffsetInfo: entries.map(([key, offsets]) => `${key} ${offsets.join(',')}`).join(';'),
  }
}

function bitsOf(base64: string): number[] {
  const bytes = Buffer.from(base64, 'base64')
  return Array.from({ length: bytes.length * 8 }, (_, i) => i).filter(
    (i) => ((bytes[i >>> 3] as number) & (1 << (i & 7))) !== 0,
  )
}
