import { RemotingError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { Channel } from './channel.js'
import { probe } from './commands/probe.js'
import { sleep } from './deadline.js'
import type { Endpoint } from './endpoint.js'
import type { PendingCall } from './pending-call.js'

/** Of one question, in milliseconds. */
const PROBE_TIMEOUT = 2_000
/**
 * How much later than a new connection an old one may answer before it counts as dead, in milliseconds. Connections of one server are read by different threads, and one
 * of a busy server may come a third of a second after another.
 */
const PROBE_GRACE = 1_000

/** Finds connections whose peer is gone without a word, and replaces them. */
export class HalfOpenCheck {
  readonly #logger: Logger
  /** Connections that only ask whether somebody is there: no event tells of them. */
  readonly #probes = new Set<Channel>()
  readonly #probing = new Set<string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  get probes(): ReadonlySet<Channel> {
    return this.#probes
  }

  /** Takes note that a connection is gone. @returns whether it was a probe. */
  closed(channel: Channel): boolean {
    return this.#probes.delete(channel)
  }

  /**
   * A call found no answer. If nothing at all has come since it was sent, the connection may be half open: its peer gone without a word. Both this connection
   * and a second one are asked something that any server answers at once. Only when the second answers and this one stays silent, the second takes its place: a
   * server that is merely stopped answers on neither, and one that holds a long poll answers on both.
   */
  async check(endpoint: Endpoint | undefined, channel: Channel, call: PendingCall): Promise<void> {
    const { address } = channel
    if (channel.lastReadAt > call.startedAt || endpoint?.channel !== channel || this.#probing.has(address)) return
    this.#probing.add(address)
    const readAt = channel.lastReadAt
    let second: Channel | undefined
    try {
      const first = channel.invoke(probe, {}, undefined, PROBE_TIMEOUT, undefined).catch(() => undefined)
      second = await endpoint.openProbe()
      this.#probes.add(second)
      await second.invoke(probe, {}, undefined, PROBE_TIMEOUT, undefined)
      await Promise.race([first, sleep(PROBE_GRACE, undefined, 'probe')])
      // A client that was shut down has no channel there any more.
      if (channel.lastReadAt > readAt || endpoint.channel !== channel) {
        second.close()
        return
      }
      this.#probes.delete(second)
      endpoint.adopt(second)
      const problem = `${address}: the connection was half open: a new one is answered, the old one was silent`
      channel.close(new RemotingError('CONNECTION_CLOSED', problem, { address }))
    } catch (error) {
      second?.close()
      this.#logger.debug('probe was not answered', { address, error })
    } finally {
      this.#probing.delete(address)
    }
  }
}
