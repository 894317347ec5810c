import type { Message } from './message.js'

/** Under this name a message carries properties that only this client may set. A copy made by spreading keeps them. */
export const SYSTEM_PROPERTIES: unique symbol = Symbol('rocketmq-remoting.systemProperties')

export interface SystemMessage extends Message {
  readonly [SYSTEM_PROPERTIES]?: Readonly<Record<string, string>>
}

/** The message with properties of RocketMQ's own. The given object is not changed. */
export function withSystemProperties(message: Message, properties: Readonly<Record<string, string>>): SystemMessage {
  return { ...message, [SYSTEM_PROPERTIES]: { ...systemPropertiesOf(message), ...properties } }
}

export function systemPropertiesOf(message: Message): Readonly<Record<string, string>> | undefined {
  return (message as SystemMessage)[SYSTEM_PROPERTIES]
}
