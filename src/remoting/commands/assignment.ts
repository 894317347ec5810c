import { defineCommand } from '../../codec/command.js'
import { type JsonValue, parseFastjson } from '../../codec/fastjson.js'
import { isAbsent, isJsonObject, JsonChecks } from '../../codec/json-value.js'
import type { MessageQueue } from '../../message/message.js'

/** Asks the broker which queues of a topic belong to this member. The body is {@link QueryAssignmentBody} as JSON; the answer's is read by {@link readAssignments}. */
export const queryAssignment = defineCommand({ code: 400, name: 'QUERY_ASSIGNMENT' })

export interface QueryAssignmentBody {
  readonly topic: string
  readonly consumerGroup: string
  readonly clientId: string
  /** `getName` of the Java class of a strategy; brokers have `AVG` and `AVG_BY_CIRCLE`. */
  readonly strategyName: string
  readonly messageModel: 'CLUSTERING' | 'BROADCASTING'
}

/** Says how a group fetches the messages of a topic where brokers divide the queues. The body is {@link SetMessageRequestModeBody} as JSON. */
export const setMessageRequestMode = defineCommand({ code: 401, name: 'SET_MESSAGE_REQUEST_MODE' })

export interface SetMessageRequestModeBody {
  readonly topic: string
  readonly consumerGroup: string
  readonly mode: 'PULL' | 'POP'
  /** Of how many further members each one pops the queues too; 0: of all. */
  readonly popShareQueueNum: number
}

/** One queue that a broker gave to this member (`MessageQueueAssignment`). With POP the queue id may be −1: all of the topic's queues on that broker. */
export interface MessageQueueAssignment {
  readonly queue: MessageQueue
  readonly mode: 'PULL' | 'POP'
  readonly attachments: Readonly<Record<string, string>>
}

/**
 * The queues that a broker gave to this member; undefined when it could not say, and everything stays as it is.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`.
 */
export function readAssignments(body: Buffer): MessageQueueAssignment[] | undefined {
  const checks = new JsonChecks('an assignment')
  const root = checks.object(parseFastjson(body.toString('utf8')), 'the body')
  if (isAbsent(root.messageQueueAssignments)) return undefined
  const assignments: MessageQueueAssignment[] = []
  for (const [i, value] of checks.list(root.messageQueueAssignments, 'messageQueueAssignments').entries()) {
    const path = `messageQueueAssignments[${i}]`
    const { messageQueue, mode, attachments } = checks.object(value, path)
    if (isAbsent(messageQueue)) continue
    if (!isAbsent(mode) && mode !== 'PULL' && mode !== 'POP')
      throw checks.fault(`${path}.mode`, mode, "'PULL' or 'POP'")
    const queue = checks.messageQueue(messageQueue, `${path}.messageQueue`)
    assignments.push({ queue, mode: mode ?? 'PULL', attachments: texts(attachments) })
  }
  return assignments
}

function texts(value: JsonValue | undefined): Record<string, string> {
  const result = Object.create(null) as Record<string, string>
  if (!isJsonObject(value)) return result
  for (const name of Object.keys(value)) {
    const text = value[name]
    if (typeof text === 'string') result[name] = text
  }
  return result
}
