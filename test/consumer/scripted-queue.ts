import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import type { ScriptedBroker } from '../support/scripted-cluster.js'
import { Code } from '../support/scripted-cluster.js'
import type { ScriptedConnection } from '../support/scripted-server.js'
import { pullAnswer, type StoredParts, storedMessage } from '../support/stored-message-bytes.js'

const SUCCESS = 0
const PULL_NOT_FOUND = 19

interface WaitingPull {
  readonly request: RemotingCommand
  readonly connection: ScriptedConnection
}

/** A queue at a scripted broker: it gives its messages to pulls, and holds those that find none. */
export class ScriptedQueue {
  readonly #broker: ScriptedBroker
  readonly #queueId: number
  readonly #messages: StoredParts[] = []
  readonly #waiting: WaitingPull[] = []
  /** All pulls, oldest first. */
  readonly pulls: RemotingCommand[] = []
  minOffset = 0

  constructor(broker: ScriptedBroker, queueId = 0) {
    this.#broker = broker
    this.#queueId = queueId
    for (const code of [Code.PULL, Code.LITE_PULL]) {
      const others = broker.scripts.get(code)
      broker.scripts.set(code, (request, connection) => {
        if (request.field('queueId') === String(queueId)) this.#receive({ request, connection })
        else others?.(request, connection)
      })
    }
  }

  get maxOffset(): number {
    return (this.#messages.at(-1)?.queueOffset ?? this.minOffset - 1) + 1
  }

  get lastPull(): RemotingCommand {
    const pull = this.pulls.at(-1)
    if (pull === undefined) throw new Error('nothing was pulled')
    return pull
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  get broker(): ScriptedBroker {
    return this.#broker
  }

  /** Stores messages and answers the pulls that wait for them. */
  store(...messages: StoredParts[]): void {
    this.#messages.push(...messages)
    for (const pull of this.#waiting.splice(0)) this.#answer(pull)
  }

  /** Stores `count` plain messages. */
  fill(count: number, parts: Partial<StoredParts> = {}): void {
    const from = this.maxOffset
    this.store(
      ...Array.from({ length: count }, (_, i) => ({ queueId: this.#queueId, ...parts, queueOffset: from + i })),
    )
  }

  #receive(pull: WaitingPull): void {
    this.pulls.push(pull.request)
    this.#answer(pull)
  }

  #answer(pull: WaitingPull): void {
    const { request, connection } = pull
    const offset = Number(request.field('queueOffset'))
    const found = this.#messages
      .filter(({ queueOffset }) => queueOffset >= offset)
      .slice(0, Number(request.field('maxMsgNums')))
    const { minOffset, maxOffset } = this
    const last = found.at(-1)
    if (last !== undefined) {
      const parts = { nextBeginOffset: last.queueOffset + 1, minOffset, maxOffset }
      connection.answer(request, pullAnswer(SUCCESS, parts, Buffer.concat(found.map(storedMessage))))
    } else if (request.field('suspendTimeoutMillis') === '0')
      connection.answer(request, pullAnswer(PULL_NOT_FOUND, { nextBeginOffset: offset, minOffset, maxOffset }))
    else this.#waiting.push(pull)
  }
}
