import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import type { MessageQueue } from '../../src/message/message.js'
import type { ScriptedBroker } from './scripted-cluster.js'
import type { ScriptedConnection } from './scripted-server.js'

export const LockCode = { LOCK: 41, UNLOCK: 42 } as const

/** A request for locks, or to give them back. */
export interface LockRequest {
  readonly kind: 'lock' | 'unlock'
  readonly clientId: string
  readonly group: string
  /** `T-0` and so on. */
  readonly queues: readonly string[]
}

/** A broker that gives each queue's lock to one member, and keeps it until the member gives it back. */
export class ScriptedLocks {
  /** Who has which lock, by queue: `T-0`. */
  readonly owners = new Map<string, string>()
  /** In the order of their arrival. */
  readonly requests: LockRequest[] = []
  /** Instead of the answer to a request for locks, where a test wants something else. */
  onLock: ((request: RemotingCommand, connection: ScriptedConnection) => void) | undefined

  constructor(broker: ScriptedBroker) {
    broker.scripts.set(LockCode.LOCK, (request, connection) => {
      this.#takeDown('lock', request)
      if (this.onLock === undefined) this.grant(request, connection)
      else this.onLock(request, connection)
    })
    broker.scripts.set(LockCode.UNLOCK, (request, connection) => {
      const { clientId, queues } = this.#takeDown('unlock', request)
      for (const queue of queues) if (this.owners.get(queue) === clientId) this.owners.delete(queue)
      connection.answer(request)
    })
  }

  get locks(): LockRequest[] {
    return this.requests.filter(({ kind }) => kind === 'lock')
  }

  get unlocks(): LockRequest[] {
    return this.requests.filter(({ kind }) => kind === 'unlock')
  }

  /** Gives all that nobody else has. */
  grant(request: RemotingCommand, connection: ScriptedConnection): void {
    const { clientId, mqSet } = read(request)
    const granted = mqSet.filter((queue) => (this.owners.get(nameOf(queue)) ?? clientId) === clientId)
    for (const queue of granted) this.owners.set(nameOf(queue), clientId)
    connection.answer(request, { body: Buffer.from(JSON.stringify({ lockOKMQSet: granted })) })
  }

  #takeDown(kind: LockRequest['kind'], request: RemotingCommand): LockRequest {
    const { clientId, consumerGroup, mqSet } = read(request)
    const one = { kind, clientId, group: consumerGroup, queues: mqSet.map(nameOf) }
    this.requests.push(one)
    return one
  }
}

function read(request: RemotingCommand): { clientId: string; consumerGroup: string; mqSet: MessageQueue[] } {
  return JSON.parse(request.body.toString())
}

function nameOf({ topic, queueId }: MessageQueue): string {
  return `${topic}-${queueId}`
}
