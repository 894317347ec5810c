import { defineCommand } from '../../codec/command.js'
import { optional, string } from '../../codec/header-field.js'

/** The body is the JSON of `HeartbeatData`. */
export const heartBeat = defineCommand({ code: 34, name: 'HEART_BEAT' })

export const unregisterClient = defineCommand({
  code: 35,
  name: 'UNREGISTER_CLIENT',
  javaHeader: 'UnregisterClientRequestHeader',
  requestHeader: {
    clientId: string('clientID'),
    producerGroup: optional(string()),
    consumerGroup: optional(string()),
  },
})
