/** Measures one process from `start` to `stop`. */
export class MeasuredWindow {
  #startedAt = 0
  #cpu: NodeJS.CpuUsage = { user: 0, system: 0 }
  #seconds = 0
  #used = 0

  get seconds(): number {
    return this.#seconds
  }

  /** Microseconds. */
  get cpu(): number {
    return this.#used
  }

  start(): void {
    this.#cpu = process.cpuUsage()
    this.#startedAt = performance.now()
  }

  stop(): void {
    this.#seconds = (performance.now() - this.#startedAt) / 1000
    const { user, system } = process.cpuUsage(this.#cpu)
    this.#used = user + system
  }
}
