import type { RawFields } from '../raw/raw-frame.js'
import { type Job, TAGS } from './job.js'

export const SEND_MESSAGE_V2 = 310
export const SEND_BATCH_MESSAGE = 320
export const PULL_MESSAGE = 11

/** The header of a send or a batch, as brokers want it at least. */
export function sendFields(job: Job, queueId: number): RawFields {
  return {
    a: job.group,
    b: job.topic,
    c: 'TBW102',
    d: job.queues,
    e: queueId,
    f: 0,
    g: Date.now(),
    h: 0,
    i: `TAGS\u0001${TAGS}\u0002WAIT\u0001true\u0002`,
    j: 0,
    k: false,
    m: job.kind === 'batch',
  }
}

/** The header of a pull that is answered at once. */
export function pullFields(job: Job, queueId: number, offset: number): RawFields {
  return {
    consumerGroup: job.group,
    topic: job.topic,
    queueId,
    queueOffset: offset,
    maxMsgNums: job.batch,
    sysFlag: 4,
    commitOffset: 0,
    suspendTimeoutMillis: 0,
    subscription: '*',
    subVersion: 0,
    expressionType: 'TAG',
  }
}
