import { DLQ_TOPIC_PREFIX, isSystemTopic, RETRY_TOPIC_PREFIX } from '../message/names.js'

const SEPARATOR = '%'
const SYSTEM_GROUP_PREFIX = 'CID_RMQ_SYS_'

/**
 * Puts a namespace before the names of topics and groups on their way to the servers, and takes it off on their way back.
 *
 * @see NamespaceUtil
 */
export class Namespace {
  readonly name: string | undefined
  readonly #prefix: string

  constructor(name: string | undefined) {
    this.name = name
    this.#prefix = `${name}${SEPARATOR}`
  }

  /** `topic` as servers know it: `namespace%topic`, `%RETRY%namespace%group`. Names of the system, and those that have it already, stay as they are. */
  wrap(resource: string): string {
    if (this.name === undefined || resource === '' || isSystem(resource)) return resource
    const at = kindLength(resource)
    return resource.startsWith(this.#prefix, at) ? resource : resource.slice(0, at) + this.#prefix + resource.slice(at)
  }

  /** The name as the user gave it. One of another namespace stays as it is. */
  unwrap(resource: string): string {
    if (this.name === undefined) return resource
    const at = kindLength(resource)
    return resource.startsWith(this.#prefix, at)
      ? resource.slice(0, at) + resource.slice(at + this.#prefix.length)
      : resource
  }

  wrapQueue<Q extends { readonly topic: string }>(queue: Q): Q {
    return this.name === undefined ? queue : { ...queue, topic: this.wrap(queue.topic) }
  }

  unwrapQueue<Q extends { readonly topic: string }>(queue: Q): Q {
    return this.name === undefined ? queue : { ...queue, topic: this.unwrap(queue.topic) }
  }
}

/** Of the prefix that says what kind of topic it is. */
function kindLength(resource: string): number {
  for (const prefix of [RETRY_TOPIC_PREFIX, DLQ_TOPIC_PREFIX]) if (resource.startsWith(prefix)) return prefix.length
  return 0
}

function isSystem(resource: string): boolean {
  return isSystemTopic(resource) || resource.startsWith(SYSTEM_GROUP_PREFIX)
}
