import { BrokerError, shown } from '../errors.js'
import type { Message } from '../message/message.js'
import { ResponseCode } from '../remoting/response-code.js'

/** Both stand in the remarks of all brokers from 5.0 on. */
const ILLEGAL = 'timer message illegal'
const MAX_DELAY = /max delay (\d{1,15})ms/
const SWITCHED_OFF = 'timerWheelEnable'

const DAY = 86_400_000

/** Whether a broker refused a timer message because it takes none: nothing was stored, though the code is one that leaves this open. */
export function isTimerSwitchedOff(error: BrokerError): boolean {
  return error.responseCode === ResponseCode.SYSTEM_ERROR && error.remark.includes(SWITCHED_OFF)
}

/**
 * The refusal of a timer message with what the remark leaves out: the setting of the broker that is the reason, and what the message asked for. Other errors come
 * back as they are.
 */
export function explainTimerRefusal(error: unknown, message: Message | undefined): unknown {
  if (!(error instanceof BrokerError)) return error
  const hint = hintOf(error, message)
  if (hint === undefined) return error
  const { address, responseCode, responseName, remark, retryable } = error
  const fields = { address, responseCode, responseName, remark, retryable, cause: error }
  return new BrokerError(`${error.message}; ${hint}`, fields)
}

function hintOf(error: BrokerError, message: Message | undefined): string | undefined {
  if (isTimerSwitchedOff(error))
    return 'the broker takes no timer messages: it needs timerWheelEnable=true; delayLevel works without'
  if (error.responseCode !== ResponseCode.MESSAGE_ILLEGAL || !error.remark.includes(ILLEGAL)) return undefined
  const [, limit] = MAX_DELAY.exec(error.remark) ?? []
  return limit === undefined ? undefined : limitHint(Number(limit), message)
}

function limitHint(limit: number, message: Message | undefined): string {
  const asked =
    message?.delayMs === undefined ? `deliverAt is ${shown(message?.deliverAt)}` : `delayMs is ${message.delayMs}`
  return `${asked}, and the broker's limit is ${limit} ms ahead (${Number((limit / DAY).toFixed(3))} days, its timerMaxDelaySec=${limit / 1000})`
}
