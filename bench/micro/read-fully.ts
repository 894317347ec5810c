/** What a fully decoded message has, whatever the client. */
export interface FullyDecoded {
  readonly topic: string
  readonly bornHost: string
  readonly storeHost: string
  readonly msgId: string
  /** Where the client makes it beside `msgId`. */
  readonly offsetMsgId?: string
  readonly properties: Readonly<Record<string, unknown>>
  readonly bornTimestamp: number
  readonly storeTimestamp: number
}

let sink = 0

/**
 * Reads everything of a message that a client may decode only when it is asked for, so that all clients do the same work.
 * The sum keeps a compiler from leaving it out.
 */
export function readFully(message: FullyDecoded): void {
  sink =
    (sink +
      String(message.properties.UNIQ_KEY).length +
      message.msgId.length +
      (message.offsetMsgId?.length ?? 0) +
      message.bornHost.length +
      message.storeHost.length +
      message.topic.length +
      message.bornTimestamp +
      message.storeTimestamp) |
    0
}
