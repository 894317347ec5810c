import type { JobKind } from './clients/job.js'

/** What is measured: this client, the other clients, and the raw sockets that are their ceilings. */
export type ClientName =
  | 'rocketmq-remoting'
  | 'java'
  | 'go'
  | 'ali-ons'
  | 'raw-enc'
  | 'raw-dec'
  | 'raw-full'
  | 'revision'

/** The client that all others are compared with. */
export const OURS: ClientName = 'rocketmq-remoting'

/** The older build of this client in a comparison. */
export const REVISION: ClientName = 'revision'

/** The other clients, without the ceilings. */
export const PEERS: readonly ClientName[] = ['java', 'go', 'ali-ons']

/** How clients are named in tables. */
export const CLIENT_TITLES: Readonly<Record<ClientName, string>> = {
  'rocketmq-remoting': 'rocketmq-remoting',
  java: 'Java client',
  go: 'Go client',
  'ali-ons': 'ali-ons',
  'raw-enc': 'raw:enc',
  'raw-dec': 'raw:dec',
  'raw-full': 'raw:full',
  revision: 'older revision',
}

/** Body sizes, in bytes. */
export const SIZES: readonly number[] = [128, 1024, 4096]

/** The size that is measured where one has to do. */
export const MIDDLE_SIZE = 1024

/** Queues of a topic, unless a workload is about their number. */
export const QUEUES = 8

/** One kind of use; a {@link Workload} is a family with a body size. */
export interface Family {
  readonly name: string
  readonly title: string
  /** What the reader of the tables must know. */
  readonly note?: string
  readonly kind: JobKind
  readonly clients: readonly ClientName[]
  /** Sends that wait for their answer at a time. */
  readonly inFlight: number
  /** Messages of one request. */
  readonly batch: number
  readonly warmUp: number
  /** Of the measured window. */
  readonly messages: number
  /** Longest measured window, in milliseconds. */
  readonly maxWindow: number
  /** Messages that lie in the topic; 0: none, every run adds its own. */
  readonly backlog: number
}

export interface Workload extends Family {
  /** `family-size`, or of a growth `growth-value`. */
  readonly name: string
  readonly family: string
  readonly bodySize: number
  readonly queues: number
}

/** Messages of one pull, which brokers give at most unless they are configured otherwise. */
const PUSH_BATCH = 32
const PULL_BATCH = 256
const BACKLOG = 500_000

const SENDERS: readonly ClientName[] = [OURS, 'java', 'go', 'ali-ons', 'raw-enc']
const sends = {
  kind: 'send',
  clients: SENDERS,
  inFlight: 1,
  batch: 1,
  warmUp: 100_000,
  messages: 40_000,
  maxWindow: 1_500,
  backlog: 0,
} satisfies Partial<Family>
const reads = {
  inFlight: 1,
  batch: PUSH_BATCH,
  warmUp: 300_000,
  messages: BACKLOG - 300_000,
  maxWindow: 1_500,
  backlog: BACKLOG,
} satisfies Partial<Family>

export const FAMILIES: readonly Family[] = [
  { ...sends, name: 'send-1', title: 'Awaited send, one at a time', messages: 10_000 },
  { ...sends, name: 'send-64', title: '64 awaited sends in flight', inFlight: 64 },
  { ...sends, name: 'send-256', title: '256 awaited sends in flight', inFlight: 256 },
  {
    ...sends,
    name: 'batch',
    title: 'Batches of 32, 16 in flight',
    kind: 'batch',
    inFlight: 16,
    batch: 32,
    clients: [OURS, 'java', 'go', 'raw-enc'],
    warmUp: 400_000,
    messages: 200_000,
    note: 'The latency is that of a batch. ali-ons has no batches.',
  },
  {
    ...sends,
    name: 'auto-batch',
    title: 'Auto-batch: 1,024 callers that each await their send',
    kind: 'auto-batch',
    inFlight: 1024,
    clients: [OURS, 'java', 'go', 'ali-ons'],
    warmUp: 400_000,
    messages: 100_000,
    note: 'The others send each message by itself, awaited by as many callers: that is what auto-batch takes the place of.',
  },
  {
    ...sends,
    name: 'oneway',
    title: 'Oneway',
    kind: 'oneway',
    inFlight: 64,
    clients: [OURS, 'java', 'go', 'raw-enc'],
    warmUp: 50_000,
    messages: 50_000,
    note: 'Only messages that the broker has stored in the end count, for messages/s and for CPU. Java awaits one send in 10,000: its client hangs when more than 65,535 wait for the socket. ali-ons has no oneway.',
  },
  {
    ...reads,
    name: 'pull',
    title: 'Pull of a backlog, 256 a request',
    kind: 'pull',
    batch: PULL_BATCH,
    clients: [OURS, 'java', 'raw-dec'],
    note: 'One request under way for each of 8 queues; the broker’s limits are raised for it. raw:dec reads only place and body of a message. The pull consumer of the Go client is not measured, ali-ons has none.',
  },
  {
    ...reads,
    name: 'push',
    title: 'Push consumer with a trivial handler, reading a backlog',
    kind: 'push',
    clients: [OURS, 'java', 'go', 'ali-ons', 'raw-full'],
    note: 'The handler counts, and looks at queue, offset and body length. raw:full pulls and reads every field. ali-ons does not check the CRC, and is told not to pause when a queue has enough waiting.',
  },
  {
    ...reads,
    name: 'ordered',
    title: 'Ordered consumption of a backlog',
    kind: 'ordered',
    clients: [OURS, 'java', 'go'],
    note: 'With queue locks at the broker. ali-ons has no ordered consumption.',
  },
  {
    ...sends,
    name: 'end-to-end',
    title: 'End to end at 1,000 messages/s',
    kind: 'end-to-end',
    clients: [OURS, 'java', 'go', 'ali-ons'],
    batch: PUSH_BATCH,
    warmUp: 20_000,
    messages: 3_000,
    maxWindow: 10_000,
    note: 'Producer and push consumer in one process; the latency is from the call of send to the handler. messages/s is what was asked for, so it tells nothing.',
  },
]

/** Every family with every size. */
export const WORKLOADS: readonly Workload[] = FAMILIES.flatMap((family) =>
  SIZES.map((size) => workloadOf(family, size)),
)

function workloadOf(family: Family, bodySize: number): Workload {
  return { ...family, name: `${family.name}-${bodySize}`, family: family.name, bodySize, queues: QUEUES }
}

/** Messages a second of `end-to-end`. */
export const RATE = 1_000

/** Messages a second of its warm-up. */
export const WARM_UP_RATE = 5_000

/** `128 B`, `1 KiB`. */
export function sizeName(size: number): string {
  return size < 1024 ? `${size} B` : `${size / 1024} KiB`
}
