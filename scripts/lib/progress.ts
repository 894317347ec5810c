const WIDTH = 30

/** Shows how far a step is: one line that is written over on a terminal, a line per quarter elsewhere. */
export class Progress {
  readonly #label: string
  readonly #total: number
  readonly #startedAt = performance.now()
  #shownQuarter = 0
  #done = 0

  constructor(label: string, total: number) {
    this.#label = label
    this.#total = total
  }

  add(count: number): void {
    this.#done += count
    if (process.stdout.isTTY) process.stdout.write(`\r${this.#line()}`)
    else this.#showQuarter()
  }

  /** Ends the line, with the time that the step took. */
  end(): void {
    const seconds = (performance.now() - this.#startedAt) / 1000
    const rate = Math.round(this.#done / seconds)
    const end = process.stdout.isTTY ? `\r${this.#line()} ` : `${this.#label}: `
    console.log(`${end}${this.#done} messages in ${seconds.toFixed(2)} s, ${rate} a second`)
  }

  #line(): string {
    const share = Math.min(1, this.#done / this.#total)
    const bar = '█'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '░')
    return `${this.#label.padEnd(10)} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %`
  }

  #showQuarter(): void {
    const quarter = Math.floor((this.#done / this.#total) * 4)
    if (quarter <= this.#shownQuarter || quarter > 4) return
    this.#shownQuarter = quarter
    console.log(`${this.#label}: ${this.#done} of ${this.#total}`)
  }
}
