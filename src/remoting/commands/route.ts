import { defineCommand } from '../../codec/command.js'
import { boolean, optional, string } from '../../codec/header-field.js'

export const getRouteInfoByTopic = defineCommand({
  code: 105,
  name: 'GET_ROUTEINFO_BY_TOPIC',
  javaHeader: 'GetRouteInfoRequestHeader',
  requestHeader: { topic: string(), acceptStandardJsonOnly: optional(boolean()) },
})
