import { median } from '../statistics.js'

/** Iterations of the loop in a microsecond of CPU time. */
let speed = 0
let sink = 0

/** Wastes so much CPU time: the slow-down that `--plant` puts in. */
export function burn(microseconds: number): void {
  if (microseconds === 0) return
  if (speed === 0) speed = calibrate()
  spin(microseconds * speed)
}

/** A look at the clock would take longer than what is to be wasted. */
function spin(iterations: number): void {
  let value = sink
  for (let i = 0; i < iterations; i++) value = Math.imul(value ^ i, 0x2c1b3c6d)
  sink = value
}

/** The middle one of several trials: the first ones are not compiled, and others may have been at work during some. */
function calibrate(): number {
  const iterations = 2_000_000
  const speeds: number[] = []
  for (let trial = 0; trial < 9; trial++) {
    const before = process.cpuUsage()
    spin(iterations)
    const { user, system } = process.cpuUsage(before)
    speeds.push(iterations / Math.max(1, user + system))
  }
  return median(speeds)
}
