import { fillTopic } from './backlog.js'
import type { BenchBroker } from './bench-broker.js'
import { sizeName, type Workload } from './workloads.js'

/** A topic as a job finds it. */
export interface PreparedTopic {
  readonly name: string
  /** Messages that lie in it for consumers; 0: none are meant. */
  readonly backlog: number
}

/** The topics of one run of the benchmark. Workloads that read the same backlog share it. */
export class Topics {
  readonly #broker: BenchBroker
  readonly #prepared = new Map<string, Promise<PreparedTopic>>()
  /** Several runs may share one cluster, which ROCKETMQ_NAMESRV names. */
  readonly #prefix = `bench-${Date.now()}`
  #count = 0

  constructor(broker: BenchBroker) {
    this.#broker = broker
  }

  /** The topic for the next run of a workload. */
  for(workload: Workload): Promise<PreparedTopic> {
    // A new consumer group would read what was sent before.
    if (workload.kind === 'end-to-end') return this.#create(workload)
    const key = workload.backlog === 0 ? workload.name : `${workload.bodySize}-${workload.queues}-${workload.backlog}`
    let topic = this.#prepared.get(key)
    if (topic === undefined) {
      topic = this.#create(workload)
      this.#prepared.set(key, topic)
      // The next run tries again.
      topic.catch(() => this.#prepared.delete(key))
    }
    return topic
  }

  async #create({ name: workload, queues, backlog, bodySize }: Workload): Promise<PreparedTopic> {
    const name = `${this.#prefix}-${workload}-${this.#count++}`
    await this.#broker.createTopic(name, queues)
    if (backlog === 0) return { name, backlog: 0 }
    const startedAt = Date.now()
    const messages = await fillTopic(this.#broker, name, queues, backlog, bodySize)
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
    console.error(`bench: ${messages} messages of ${sizeName(bodySize)} lie in ${queues} queues, after ${seconds} s`)
    return { name, backlog: messages }
  }
}
