import type { RemotingCommand } from '../codec/remoting-command.js'
import type { Logger } from '../logger.js'
import type { ServerReply } from '../remoting/channel.js'
import {
  consumeMessageDirectly,
  getConsumerRunningInfo,
  getConsumerStatusFromClient,
  resetConsumerClientOffset,
} from '../remoting/commands/console.js'
import { notifyConsumerIdsChanged } from '../remoting/commands/group.js'
import type { RemotingClient, RequestProcessor } from '../remoting/remoting-client.js'
import { ResponseCode } from '../remoting/response-code.js'

/** By request code: what a consumer answers to brokers and consoles. */
export type ConsumerRequestHandlers = ReadonlyMap<number, RequestProcessor>

/** In which header field the requests name the group. */
const GROUP_FIELDS: ReadonlyMap<number, string> = new Map([
  [notifyConsumerIdsChanged.code, 'consumerGroup'],
  [resetConsumerClientOffset.code, 'group'],
  [getConsumerStatusFromClient.code, 'group'],
  [getConsumerRunningInfo.code, 'consumerGroup'],
  [consumeMessageDirectly.code, 'consumerGroup'],
])

/**
 * Hands what brokers ask of consumers to the one whose group they name. There is one for all members of a `Client`.
 *
 * @see ClientRemotingProcessor
 */
export class ConsumerRequests {
  readonly #logger: Logger
  readonly #handlers = new Map<string, ConsumerRequestHandlers>()

  constructor(remoting: RemotingClient, logger: Logger) {
    this.#logger = logger
    for (const [code, field] of GROUP_FIELDS) {
      remoting.registerProcessor(code, (request, address) => this.#dispatch(request, address, field))
    }
  }

  /** @param wireGroup - As brokers know it, with its namespace. */
  registerConsumer(wireGroup: string, handlers: ConsumerRequestHandlers): void {
    this.#handlers.set(wireGroup, handlers)
  }

  unregister(wireGroup: string): void {
    this.#handlers.delete(wireGroup)
  }

  #dispatch(
    request: RemotingCommand,
    address: string,
    field: string,
  ): ServerReply | undefined | Promise<ServerReply | undefined> {
    const group = request.field(field) ?? ''
    const handlers = this.#handlers.get(group)
    const handler = handlers?.get(request.code)
    if (handler !== undefined) return handler(request, address)
    // A broker may not have noticed yet that the consumer left.
    this.#logger.debug(`request ${request.code} of broker ${address} is for no consumer here`, { group })
    if (handlers === undefined) {
      return { code: ResponseCode.SYSTEM_ERROR, remark: `The Consumer Group <${group}> not exist in this consumer` }
    }
    const remark = `consumers of the group ${group} don't answer request code ${request.code} here`
    return { code: ResponseCode.REQUEST_CODE_NOT_SUPPORTED, remark }
  }
}
