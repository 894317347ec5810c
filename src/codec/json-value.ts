import { MessageError } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import type { JsonObject, JsonValue } from './fastjson.js'
import { shownJson } from './shown-json.js'

/**
 * Checks the members of JSON that a server sent. Each says in its error where the member stands: `path` of `owner`.
 *
 * @throws {@link MessageError} `JSON_MALFORMED`.
 */
export class JsonChecks {
  readonly #owner: string

  /** @param owner - What is read, as in 'a route'. */
  constructor(owner: string) {
    this.#owner = owner
  }

  object(value: JsonValue | undefined, path: string): JsonObject {
    if (!isJsonObject(value)) throw this.fault(path, value, 'an object')
    return value
  }

  /** An absent one is empty. */
  list(value: JsonValue | undefined, path: string): JsonValue[] {
    if (isAbsent(value)) return []
    if (!Array.isArray(value)) throw this.fault(path, value, 'a list')
    return value
  }

  /** Not empty. */
  text(value: JsonValue | undefined, path: string): string {
    if (typeof value !== 'string' || value === '') throw this.fault(path, value, 'a name')
    return value
  }

  integer(value: JsonValue | undefined, path: string): number {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.fault(path, value, 'an integer')
    return value
  }

  messageQueue(value: JsonValue | undefined, path: string): MessageQueue {
    const queue = this.object(value, path)
    return {
      topic: this.text(queue.topic, `${path}.topic`),
      brokerName: this.text(queue.brokerName, `${path}.brokerName`),
      queueId: this.integer(queue.queueId, `${path}.queueId`),
    }
  }

  fault(path: string, value: JsonValue | undefined, expected: string): MessageError {
    return new MessageError('JSON_MALFORMED', `${path} of ${this.#owner} is ${shownJson(value)}, ${expected} expected`)
  }
}

export function isAbsent(value: JsonValue | undefined): value is undefined | null {
  return value === undefined || value === null
}

/** The parser's objects have no prototype, so that no name is inherited. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null
}
