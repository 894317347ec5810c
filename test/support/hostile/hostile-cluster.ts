import type { RemotingCommand } from '../../../src/codec/remoting-command.js'
import { type Random, randomOf } from '../../codec/mutation.js'
import { frame, type ScriptedConnection, type ScriptedServer, scriptedServer } from '../scripted-server.js'
import { type Answer, type BadKind, json, kind } from './answer.js'
import { badBodies } from './bad-bodies.js'
import { badFrames } from './bad-frames.js'
import { badHeaders } from './bad-headers.js'
import { badMessages } from './bad-messages.js'
import { badRequest } from './bad-requests.js'
import { correlationIdOf, HonestBroker } from './honest-broker.js'

const PUSH_REPLY = 326
const RESPONSE_TO_NOBODY = frame({ opaque: -7, flag: 1 })
/** Of one that takes long to read, in others. */
export const COSTS = 100
/** After an answer that leaves callers in silence, the connection is cut, so that few calls have to wait for their deadline. */
const SILENCE = 20

const endings: readonly BadKind[] = [
  kind('no answer', 'silence', () => Buffer.alloc(0)),
  kind('a request of the server before the answer', 'open', (answer, random) =>
    Buffer.concat([badRequest(random), json(answer)]),
  ),
  kind('many requests of the server before the answer', 'open', (answer, random) =>
    Buffer.concat([...Array.from({ length: 50 }, () => badRequest(random)), json(answer)]),
  ),
]

export const badKinds: readonly BadKind[] = [...badFrames, ...badHeaders, ...badBodies, ...badMessages, ...endings]

/** One bad answer that was given. */
export interface Given {
  readonly number: number
  readonly kind: BadKind
  readonly code: number
  readonly bytes: Buffer
}

/** How all hostile clusters of a test choose what to answer: each kind in turn. */
export class Malice {
  readonly seed: number
  /** How often each kind was given, by name. */
  readonly counts = new Map<string, number>(badKinds.map(({ name }) => [name, 0]))
  isOn = false
  total = 0

  constructor(seed: number) {
    this.seed = seed
  }

  /** The next answer of a kind that fits, of those the one that was given least. */
  next(answer: Answer, requestCode: number): Given {
    const number = this.total++
    const random = randomOf(this.seed ^ Math.imul(number, 0x9e37_79b1))
    const chosen = this.#rarest(requestCode, random)
    this.counts.set(chosen.name, (this.counts.get(chosen.name) ?? 0) + 1)
    return { number, kind: chosen, code: requestCode, bytes: chosen.bytes(answer, random) }
  }

  random(): Random {
    return randomOf(this.seed - 1 - this.total)
  }

  #rarest(requestCode: number, random: Random): BadKind {
    let best: BadKind | undefined
    let fewest = Number.POSITIVE_INFINITY
    const from = random(badKinds.length)
    for (let i = 0; i < badKinds.length; i++) {
      const one = badKinds[(from + i) % badKinds.length] as BadKind
      const count = this.counts.get(one.name) ?? 0
      const weighted = one.isCostly ? count * COSTS : count
      if (weighted < fewest && (one.codes === undefined || one.codes.includes(requestCode)))
        [best, fewest] = [one, weighted]
    }
    return best as BadKind
  }
}

/** A NameServer and a broker that answer what they please while malice is on, and honestly when it is off. */
export class HostileCluster {
  readonly #malice: Malice
  readonly #servers: readonly ScriptedServer[]
  readonly namesrvAddr: string
  /** What was answered since it was last emptied. */
  readonly given: Given[] = []

  constructor(malice: Malice, nameServer: ScriptedServer, broker: ScriptedServer) {
    this.#malice = malice
    this.#servers = [nameServer, broker]
    this.namesrvAddr = nameServer.address
    const honest = new HonestBroker(() => broker.address)
    for (const server of this.#servers) {
      server.script = (request, connection) => this.#answer(honest.answer(request), request, connection)
      // Connections that never give an answer are dialled with back-off: some may have that.
      server.onConnection = (connection) => {
        if (malice.random()(10) > 0) connection.write(RESPONSE_TO_NOBODY)
      }
    }
  }

  /** Cuts every connection: on one that promised a frame, an honest answer would be taken for a part of that. */
  reset(): void {
    for (const server of this.#servers) for (const connection of server.openConnections) connection.reset()
  }

  /** Servers of the test remember all that they get. */
  forget(): void {
    this.given.length = 0
    for (const server of this.#servers) server.forget()
  }

  #answer(honest: Answer, request: RemotingCommand, connection: ScriptedConnection): void {
    if (this.#malice.isOn) this.#spoil(honest, request, connection)
    else if (!request.isOneway) {
      const correlationId = correlationIdOf(request)
      if (correlationId !== undefined) connection.write(reply(request, correlationId))
      connection.write(json(honest))
    }
  }

  #spoil(honest: Answer, request: RemotingCommand, connection: ScriptedConnection): void {
    const given = this.#malice.next(honest, request.code)
    this.given.push(given)
    connection.write(given.bytes)
    const { kind: one, number } = given
    if (one.effect === 'silence' && number % 4 > 0) setTimeout(() => connection.reset(), SILENCE)
    else if (one.effect === 'open' && number % 50 === 0) connection.reset()
  }
}

function reply(request: RemotingCommand, correlationId: string): Buffer {
  const fields = {
    ...{
      producerGroup: request.field('a') ?? '',
      topic: 'T',
      defaultTopic: 'TBW102',
      defaultTopicQueueNums: 4,
      queueId: 0,
    },
    ...{ sysFlag: 0, bornTimestamp: 1, flag: 0, bornHost: '127.0.0.1:1', storeHost: '127.0.0.1:1', storeTimestamp: 1 },
    properties: `CORRELATION_ID\u0001${correlationId}\u0002`,
  }
  return frame({ code: PUSH_REPLY, opaque: 1, fields, body: Buffer.from('reply') })
}

/** A cluster that is closed when the running test ends. */
export async function hostileCluster(malice: Malice): Promise<HostileCluster> {
  return new HostileCluster(malice, await scriptedServer(), await scriptedServer())
}
