import type { RemotingCommand } from '../../src/codec/remoting-command.js'
import {
  answerAll,
  type FrameParts,
  type Script,
  type ScriptedConnection,
  type ScriptedServer,
  scriptedServer,
} from './scripted-server.js'

/** Request codes, as they stand in the protocol. */
export const Code = {
  SEND: 310,
  SEND_BATCH: 320,
  PULL: 11,
  QUERY_OFFSET: 14,
  UPDATE_OFFSET: 15,
  SEARCH_OFFSET: 29,
  MAX_OFFSET: 30,
  MIN_OFFSET: 31,
  EARLIEST_STORE_TIME: 32,
  HEARTBEAT: 34,
  UNREGISTER: 35,
  SEND_BACK: 36,
  ROUTE: 105,
  LITE_PULL: 361,
} as const

export const TOPIC_NOT_EXIST = 17

export interface RouteParts {
  readonly queueDatas?: readonly object[]
  readonly brokerDatas?: readonly object[]
  readonly orderTopicConf?: string
}

export function queueData(brokerName: string, queues = 4, perm = 6): object {
  return { brokerName, readQueueNums: queues, writeQueueNums: queues, perm, topicSysFlag: 0 }
}

export function brokerData(brokerName: string, brokerAddrs: Record<number, string>): object {
  return { cluster: 'DefaultCluster', brokerName, brokerAddrs }
}

/** The body of a NameServer's answer, in standard JSON. */
export function routeBody(parts: RouteParts): Buffer {
  return Buffer.from(JSON.stringify({ filterServerTable: {}, queueDatas: [], brokerDatas: [], ...parts }))
}

/** A NameServer whose routes a test sets: a body for each topic, TOPIC_NOT_EXIST for the others. */
export class ScriptedNameServer {
  readonly server: ScriptedServer
  readonly routes = new Map<string, Buffer>()
  /** Instead of an answer, where a test wants something else. */
  onRouteRequest: ((topic: string, request: RemotingCommand, connection: ScriptedConnection) => boolean) | undefined

  constructor(server: ScriptedServer) {
    this.server = server
    server.script = (request, connection) => {
      if (request.code === Code.ROUTE) this.#answerRoute(request, connection)
      else answerAll(request, connection)
    }
  }

  get address(): string {
    return this.server.address
  }

  /** How often a topic was asked for. */
  asked(topic: string): number {
    return this.server.requestsOf(Code.ROUTE).filter((request) => request.field('topic') === topic).length
  }

  answerRoute(request: RemotingCommand, connection: ScriptedConnection): void {
    const topic = request.field('topic') ?? ''
    const body = this.routes.get(topic)
    if (body !== undefined) connection.answer(request, { body })
    else
      connection.answer(request, {
        code: TOPIC_NOT_EXIST,
        remark: `No topic route info in name server for the topic: ${topic}`,
      })
  }

  #answerRoute(request: RemotingCommand, connection: ScriptedConnection): void {
    if (this.onRouteRequest?.(request.field('topic') ?? '', request, connection)) return
    this.answerRoute(request, connection)
  }
}

export async function scriptedNameServer(): Promise<ScriptedNameServer> {
  return new ScriptedNameServer(await scriptedServer())
}

/** A broker that answers heartbeats, and everything else as a test tells it to. */
export class ScriptedBroker {
  readonly name: string
  readonly server: ScriptedServer
  /** By request code. A send that has no script is stored. */
  readonly scripts = new Map<number, Script>()
  #nextOffset = 0

  constructor(name: string, server: ScriptedServer) {
    this.name = name
    this.server = server
    server.script = (request, connection) => {
      const script = this.scripts.get(request.code)
      if (script !== undefined) script(request, connection)
      else if (request.code === Code.SEND || request.code === Code.SEND_BATCH) this.store(request, connection)
      else answerAll(request, connection)
    }
  }

  get address(): string {
    return this.server.address
  }

  /** The sends that came, batches included. */
  get sends(): RemotingCommand[] {
    return this.server.requests.filter(({ code }) => code === Code.SEND || code === Code.SEND_BATCH)
  }

  /** Answers a send as stored; `parts` may say more, or something else. */
  store(request: RemotingCommand, connection: ScriptedConnection, parts: FrameParts = {}): void {
    if (request.isOneway) return
    const queueOffset = this.#nextOffset++
    const fields = {
      msgId: `7F00000100002A9F${hex(queueOffset)}`,
      queueId: request.field('e') ?? '0',
      queueOffset,
      ...parts.fields,
    }
    connection.answer(request, { ...parts, fields })
  }
}

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(16, '0')
}

/** A NameServer and brokers that are masters, with one topic of four queues on each unless a test says otherwise. */
export class ScriptedCluster {
  readonly nameServer: ScriptedNameServer
  readonly brokers: readonly ScriptedBroker[]

  constructor(nameServer: ScriptedNameServer, brokers: readonly ScriptedBroker[]) {
    this.nameServer = nameServer
    this.brokers = brokers
  }

  get namesrvAddr(): string {
    return this.nameServer.address
  }

  broker(index = 0): ScriptedBroker {
    const broker = this.brokers[index]
    if (broker === undefined) throw new Error(`there are only ${this.brokers.length} brokers`)
    return broker
  }

  /** Makes the NameServer know a topic, on all brokers or on some. */
  addTopic(topic: string, queues = 4, brokers: readonly ScriptedBroker[] = this.brokers): void {
    this.nameServer.routes.set(
      topic,
      routeBody({
        queueDatas: brokers.map((broker) => queueData(broker.name, queues)),
        brokerDatas: brokers.map((broker) => brokerData(broker.name, { 0: broker.address })),
      }),
    )
  }
}

/** A cluster that is closed when the running test ends. */
export async function scriptedCluster(brokerNames: readonly string[] = ['broker-a']): Promise<ScriptedCluster> {
  const nameServer = await scriptedNameServer()
  const brokers: ScriptedBroker[] = []
  for (const name of brokerNames) brokers.push(new ScriptedBroker(name, await scriptedServer()))
  const cluster = new ScriptedCluster(nameServer, brokers)
  cluster.addTopic('T')
  return cluster
}
