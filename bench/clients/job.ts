/** What a measured process does with its messages. */
export type JobKind = 'send' | 'batch' | 'auto-batch' | 'oneway' | 'pull' | 'push' | 'ordered' | 'end-to-end'

/** What one measured process is to do. Travels as flat JSON, which the Java and Go programs read as well. */
export interface Job {
  readonly kind: JobKind
  readonly namesrvAddr: string
  readonly brokerAddress: string
  readonly topic: string
  /** Queues of the topic. */
  readonly queues: number
  /** Producer or consumer group; a new one for each process. */
  readonly group: string
  readonly bodySize: number
  /** Sends that wait for their answer at a time. */
  readonly inFlight: number
  /** Messages of one request: of a batch, or at most of a pull. */
  readonly batch: number
  /** Messages a second, end to end. */
  readonly rate: number
  /** The same for the warm-up, which would take minutes at that rate. */
  readonly warmUpRate: number
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
  /** Messages that lie in the topic, for consumers. */
  readonly backlog: number
  /** The entry file of another build of this client; empty: the one of this working copy. */
  readonly packageFile: string
  /** CPU time to waste for each message, in microseconds: only to show that a slow-down is found. */
  readonly burn: number
}

/** Percentiles, in microseconds. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly p999: number
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
  /** Of the requests of the window, from the call to its answer; end to end: from the send to the handler. */
  readonly latency?: Latency
  /** What is wrong with what was received, for example a gap in the offsets. */
  readonly fault?: string
}

/** Tags, keys and a body like those of the messages that services send. */
export const TAGS = 'TagA'

/** Marks the line of a process's output that holds the outcome. */
export const OUTCOME_MARK = 'outcome '

/** A body that does not compress to nothing and is the same in every run. */
export function bodyOf(size: number): Buffer {
  const body = Buffer.alloc(size)
  for (let i = 0; i < size; i++) body[i] = 32 + ((i * 31 + (i >> 5) * 17) % 95)
  return body
}
