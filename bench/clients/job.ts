/** What one measured process is to do. Travels as JSON. */
export interface Job {
  readonly kind: 'send' | 'consume'
  readonly namesrvAddr: string
  readonly brokerAddress: string
  readonly topic: string
  /** Queues of the topic. */
  readonly queues: number
  /** Producer or consumer group; a new one for each process. */
  readonly group: string
  readonly bodySize: number
  /** Sends that wait for their answer at a time. For consumers: 1 pull for each queue. */
  readonly inFlight: number
  /** Messages before the measured window, 1 at least. */
  readonly warmUp: number
  /** Messages of the measured window. */
  readonly messages: number
  /** The warm-up ends after this time even when messages are left, in milliseconds. */
  readonly maxWarmUp: number
  /** The same for the window. */
  readonly maxWindow: number
  /** The process ends itself after this time, in milliseconds. */
  readonly deadline: number
}

/** What a measured process found out. */
export interface Outcome {
  /** Messages of the measured window. */
  readonly messages: number
  readonly seconds: number
  /** CPU time of the whole process in the window, garbage collector and compiler included, in microseconds. */
  readonly cpu: number
  /** Peak resident memory of the whole process, in bytes. */
  readonly peakRss: number
  /** Messages sent or received from start to end, to be compared with what the broker says. */
  readonly total: number
  /** What is wrong with what was received, for example a gap in the offsets. */
  readonly fault?: string
}

/** Tags, keys and a body like those of the messages that services send. */
export const TAGS = 'TagA'
/** Messages of one pull, which brokers give at most unless they are configured otherwise. */
export const PULL_BATCH = 32

/** Marks the line of a process's output that holds the outcome. */
export const OUTCOME_MARK = 'outcome '

/** A body that does not compress to nothing and is the same in every run. */
export function bodyOf(size: number): Buffer {
  const body = Buffer.alloc(size)
  for (let i = 0; i < size; i++) body[i] = 32 + ((i * 31 + (i >> 5) * 17) % 95)
  return body
}
