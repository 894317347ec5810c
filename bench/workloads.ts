/** The measured programs of `clients/`, by file name. */
export type ClientName = 'rocketmq-remoting' | 'ali-ons' | 'raw' | 'raw-enc' | 'raw-dec' | 'raw-full'

/** The client that all others are compared with. */
export const OURS: ClientName = 'rocketmq-remoting'

/** How clients are named in tables. */
export const CLIENT_TITLES: Readonly<Record<ClientName, string>> = {
  'rocketmq-remoting': 'rocketmq-remoting',
  'ali-ons': 'ali-ons',
  raw: 'raw',
  'raw-enc': 'raw:enc',
  'raw-dec': 'raw:dec',
  'raw-full': 'raw:full',
}

export interface Workload {
  readonly name: string
  readonly title: string
  readonly kind: 'send' | 'consume'
  readonly bodySize: number
  /** Sends that wait for their answer at a time. Consumers have one pull for each queue under way. */
  readonly inFlight: number
  readonly warmUp: number
  /** Of the measured window; for consumers the backlog is this and the warm-up. */
  readonly messages: number
  readonly clients: readonly ClientName[]
  /** What the reader of the table must know. */
  readonly note?: string
}

export interface Target {
  readonly workload: string
  readonly figure: 'cpu' | 'rate'
  readonly against: ClientName
  /** Our figure divided by the other's. */
  readonly atMost: number
}

const SENDERS: readonly ClientName[] = ['rocketmq-remoting', 'ali-ons', 'raw', 'raw-enc']

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'send-1-128',
    title: 'Awaited send, one at a time, 128 B',
    kind: 'send',
    bodySize: 128,
    inFlight: 1,
    warmUp: 4_000,
    messages: 12_000,
    clients: SENDERS,
  },
  sendWorkload(64, 128),
  sendWorkload(64, 1024),
  sendWorkload(256, 1024),
  {
    name: 'pull-1024',
    title: 'Pull of a backlog, 32 a request, 1 KiB',
    kind: 'consume',
    bodySize: 1024,
    inFlight: 1,
    warmUp: 60_000,
    messages: 140_000,
    clients: ['rocketmq-remoting', 'ali-ons', 'raw-dec', 'raw-full'],
    note: 'ali-ons has push only: its push consumer with a handler that only reads the message, 32 a pull and 32 at a time. It does not check the CRC. raw:dec reads only place and body of a message.',
  },
]

/** Figures that this client must reach, shown beside what was measured. */
export const TARGETS: readonly Target[] = [
  { workload: 'send-64-128', figure: 'cpu', against: 'ali-ons', atMost: 0.6 },
  { workload: 'send-64-1024', figure: 'cpu', against: 'ali-ons', atMost: 0.6 },
  { workload: 'pull-1024', figure: 'cpu', against: 'ali-ons', atMost: 0.4 },
]

function sendWorkload(inFlight: number, bodySize: number): Workload {
  return {
    name: `send-${inFlight}-${bodySize}`,
    title: `${inFlight} sends in flight, ${bodySize < 1024 ? `${bodySize} B` : `${bodySize / 1024} KiB`}`,
    kind: 'send',
    bodySize,
    inFlight,
    warmUp: 16_000,
    messages: 40_000,
    clients: SENDERS,
  }
}
