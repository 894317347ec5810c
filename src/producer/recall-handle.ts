import { ClientError, shown } from '../errors.js'

/** What a recall handle says of its message. */
export interface RecallHandle {
  /** As brokers know it, with its namespace. */
  readonly topic: string
  /** Where the message waits for its time. */
  readonly brokerName: string
  /** When it is to be delivered, by that broker's clock, in ms since the epoch. */
  readonly deliverMs: number
  readonly msgId: string
}

const VERSION = 'v1'
const PARTS = ['version', 'topic', 'broker', 'time', 'message id']

/**
 * Reads the text that brokers hand out with a timer message: URL-safe base64 of its parts, with spaces between.
 *
 * @throws {@link ClientError} `INVALID_ARGUMENT`, saying what is wrong with it.
 * @see RecallMessageHandle.decodeHandle
 */
export function decodeRecallHandle(recallHandle: string): RecallHandle {
  if (typeof recallHandle !== 'string' || recallHandle === '')
    throw unfit(recallHandle, 'a text is expected, the recallHandle of a send result')
  const parts = decodeBase64(recallHandle).split(' ')
  const [version, topic, brokerName, time, msgId] = parts
  if (version !== VERSION) throw unfit(recallHandle, `its version is ${shown(version)}, this client knows ${VERSION}`)
  if (!topic || !brokerName || !time || !msgId)
    throw unfit(recallHandle, `it has not all of its parts: ${PARTS.join(', ')}`)
  const deliverMs = /^\d+$/.test(time) ? Number(time) : Number.NaN
  if (!Number.isSafeInteger(deliverMs)) throw unfit(recallHandle, `its time is ${shown(time)}, milliseconds expected`)
  return { topic, brokerName, deliverMs, msgId }
}

function decodeBase64(recallHandle: string): string {
  const [, digits = '', padding = ''] = /^([\w-]+)(={0,2})$/.exec(recallHandle) ?? []
  const bytes = Buffer.from(digits, 'base64url')
  // Node passes over what is no base64: only what comes out the same again was read in full.
  const isRead = digits !== '' && bytes.toString('base64url') === digits
  if (isRead && (padding === '' || recallHandle.length % 4 === 0)) return bytes.toString()
  throw unfit(recallHandle, 'it is not base64 in its URL-safe form')
}

function unfit(recallHandle: unknown, problem: string): ClientError {
  return new ClientError('INVALID_ARGUMENT', `recallHandle is ${shown(recallHandle)}: ${problem}`)
}
