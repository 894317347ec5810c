import { FAMILIES, OURS, type Workload } from './workloads.js'

/** How the cost of a message changes with one quantity. Only this client is measured. */
export interface Growth {
  readonly name: string
  readonly title: string
  /** What grows. */
  readonly quantity: string
  readonly workloads: readonly Workload[]
  /** The value of the quantity of each workload. */
  readonly values: readonly number[]
}

const BODY_SIZE = 128
const QUEUE_COUNTS: readonly number[] = [1, 8, 128, 1024]
/** A thousand for each of the most queues: what it costs to open one is another question. */
const QUEUE_BACKLOG = 1_024_000

export const GROWTHS: readonly Growth[] = [
  growth('queues-send', '64 awaited sends in flight, over more and more queues', 'queues', QUEUE_COUNTS, (queues) => ({
    ...base('send-64'),
    queues,
  })),
  growth('queues-push', 'Push consumer, over more and more queues', 'queues', QUEUE_COUNTS, (queues) => ({
    ...base('push'),
    queues,
    backlog: QUEUE_BACKLOG,
    warmUp: 400_000,
    messages: 400_000,
  })),
  growth(
    'in-flight',
    'Awaited sends, more and more of them in flight',
    'in flight',
    [64, 256, 1024, 4096, 16_384],
    (inFlight) => ({
      ...base('send-64'),
      inFlight,
      warmUp: Math.max(60_000, 2 * inFlight),
      messages: Math.max(60_000, 3 * inFlight),
      maxWindow: 4_000,
    }),
  ),
  growth(
    'backlog',
    'Push consumer, a larger and larger backlog read to its end',
    'backlog',
    [100_000, 300_000, 1_000_000],
    (backlog) => ({
      ...base('push'),
      backlog,
      warmUp: 40_000,
      messages: backlog - 40_000,
      maxWindow: 12_000,
    }),
  ),
]

/** The workloads of all growths. */
export const GROWTH_WORKLOADS: readonly Workload[] = GROWTHS.flatMap((growth) => growth.workloads)

function growth(
  name: string,
  title: string,
  quantity: string,
  values: readonly number[],
  workload: (value: number) => Workload,
): Growth {
  const workloads = values.map((value) => ({
    ...workload(value),
    name: `growth-${name}-${value}`,
    family: `growth-${name}`,
    title,
  }))
  return { name: `growth-${name}`, title, quantity, values, workloads }
}

function base(familyName: string): Workload {
  const family = FAMILIES.find(({ name }) => name === familyName)
  if (family === undefined) throw new Error(`there is no workload ${familyName}`)
  return { ...family, family: familyName, clients: [OURS], bodySize: BODY_SIZE, queues: 8 }
}
