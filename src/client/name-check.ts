import { ClientError, shown } from '../errors.js'
import { hasLegalCharacters, isNotAllowedSendTopic, MAX_GROUP_LENGTH, MAX_TOPIC_LENGTH } from '../message/names.js'

const DEFAULT_GROUPS: ReadonlySet<string> = new Set(['DEFAULT_PRODUCER', 'DEFAULT_CONSUMER'])
const ALLOWED = 'letters, digits, and % | _ - are allowed'

/**
 * Java's rules for a topic name.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 * @see Validators.checkTopic
 */
export function checkTopic(topic: unknown): string {
  return checkName(topic, 'topic', MAX_TOPIC_LENGTH)
}

/** {@link checkTopic}, and that it is none of the system topics that clients may not send to. */
export function checkSendTopic(topic: unknown): string {
  const name = checkTopic(topic)
  if (isNotAllowedSendTopic(name)) {
    throw new ClientError('INVALID_ARGUMENT', `Sending message to topic[${name}] is forbidden: it is a system topic`)
  }
  return name
}

/**
 * Java's rules for the name of a producer or consumer group. The groups that Java uses as defaults are refused: everybody would share them.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`.
 * @see Validators.checkGroup
 */
export function checkGroup(group: unknown, kind: 'producerGroup' | 'consumerGroup'): string {
  const name = checkName(group, kind, MAX_GROUP_LENGTH)
  if (DEFAULT_GROUPS.has(name))
    throw new ClientError('INVALID_ARGUMENT', `${kind} can not be ${name}, choose one of your own`)
  return name
}

function checkName(name: unknown, kind: string, maxLength: number): string {
  if (typeof name !== 'string' || name.trim() === '') {
    throw new ClientError('INVALID_ARGUMENT', `${kind} is ${shown(name)}, a name is expected`)
  }
  if (name.length > maxLength) {
    throw new ClientError(
      'INVALID_ARGUMENT',
      `${kind} ${shown(name)} has ${name.length} characters, ${maxLength} are allowed`,
    )
  }
  if (!hasLegalCharacters(name)) {
    throw new ClientError('INVALID_ARGUMENT', `${kind} ${shown(name)} contains illegal characters, ${ALLOWED}`)
  }
  return name
}
