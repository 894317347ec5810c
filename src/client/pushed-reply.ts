import { isIPv6 } from 'node:net'
import { compressionTypeOf, decompress } from '../codec/compression.js'
import { crc32 } from '../codec/crc32.js'
import { decodeProperties, type Properties } from '../codec/properties.js'
import type { RemotingCommand } from '../codec/remoting-command.js'
import { MessageError } from '../errors.js'
import type { MessageExt } from '../message/message.js'
import { MessageProperty } from '../message/message-properties.js'
import { MessageSysFlag } from '../message/sys-flag.js'
import { pushReplyMessageToClient } from '../remoting/commands/reply.js'
import type { Namespace } from './namespace.js'

/** Brokers push a reply before they store it, so there is no place yet. */
const NO_PLACE = -1

/** A reply as a broker pushed it; its body may still be compressed. */
export class PushedReply {
  readonly #header: ReturnType<typeof pushReplyMessageToClient.request.read>
  readonly #properties: Properties
  readonly #body: Buffer

  /** @throws {@link MessageError} `HEADER_MALFORMED`. */
  constructor(request: RemotingCommand) {
    this.#header = pushReplyMessageToClient.request.read(request)
    this.#properties = decodeProperties(this.#header.properties ?? '')
    this.#properties[MessageProperty.ARRIVE_TIME] = String(Date.now())
    this.#body = request.body
  }

  /** Of the request that it answers; empty when it names none. */
  get correlationId(): string {
    return this.#properties[MessageProperty.CORRELATION_ID] ?? ''
  }

  /**
   * The message that the requester gets.
   *
   * @throws {@link MessageError} `DECOMPRESS_FAILED`, `BODY_TOO_LARGE`, `COMPRESSION_UNSUPPORTED`.
   * @see ClientRemotingProcessor.receiveReplyMessage
   */
  async toMessage(brokerName: string, maxBodySize: number, namespace?: Namespace): Promise<MessageExt> {
    const header = this.#header
    const properties = this.#properties
    const keys = properties[MessageProperty.KEYS] ?? ''
    return {
      // Java's repliers put their namespace also before the topic of the cluster's replies.
      topic: namespace?.unwrap(header.topic) ?? header.topic,
      body: await this.#plainBody(maxBodySize),
      tags: properties[MessageProperty.TAGS],
      keys: keys.split(' ').filter((key) => key !== ''),
      properties,
      msgId: properties[MessageProperty.UNIQ_KEY] ?? '',
      offsetMsgId: '',
      brokerName,
      queueId: header.queueId,
      queueOffset: NO_PLACE,
      commitLogOffset: NO_PLACE,
      storeSize: 0,
      bodyCRC: crc32(this.#body),
      sysFlag: header.sysFlag & ~MessageSysFlag.COMPRESSED,
      flag: header.flag,
      bornTimestamp: header.bornTimestamp,
      bornHost: formatPushedHost(header.bornHost),
      storeTimestamp: header.storeTimestamp,
      storeHost: formatPushedHost(header.storeHost),
      reconsumeTimes: header.reconsumeTimes ?? 0,
      preparedTransactionOffset: 0,
    }
  }

  async #plainBody(maxBodySize: number): Promise<Buffer> {
    const { sysFlag } = this.#header
    // A copy: replies are few and often kept, and a view would keep all that came with it.
    if ((sysFlag & MessageSysFlag.COMPRESSED) === 0) return Buffer.from(this.#body)
    const type = compressionTypeOf(sysFlag)
    if (type !== undefined) return decompress(type, this.#body, maxBodySize)
    throw new MessageError(
      'COMPRESSION_UNSUPPORTED',
      `the reply to request ${this.correlationId} has an unknown compression type (sysFlag 0x${sysFlag.toString(16)})`,
    )
  }
}

/** Java writes an IPv6 host at full length and without brackets: `0:0:0:0:0:0:0:1:4711`. */
function formatPushedHost(text: string): string {
  const colon = text.lastIndexOf(':')
  const [ip = ''] = text.slice(0, Math.max(colon, 0)).split('%', 1)
  return isIPv6(ip) ? new URL(`http://[${ip}]`).hostname + text.slice(colon) : text
}
