import { defineCommand } from '../../codec/command.js'

/** GET_SYSTEM_TOPIC_LIST_FROM_NS: any server answers it at once, a broker by saying that it does not know it. Asked only to see whether somebody is there. */
export const probe = defineCommand({ code: 304, name: 'GET_SYSTEM_TOPIC_LIST_FROM_NS' })
