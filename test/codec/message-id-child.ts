import { UniqueIdGenerator } from '../../src/codec/message-id.js'

/**
 * A process that makes unique ids, and says whether they differ.
 *
 * Arguments: how many, and the address and pid that stand in them. Prints `ready`, begins when it is written to, and prints one line of JSON: {@link MadeIds}.
 */
export interface MadeIds {
  readonly count: number
  /** Of them, those that were there before. */
  readonly repeated: number
  /** What all of them begin with: ids of different prefixes can't be the same. */
  readonly prefixes: readonly string[]
}

/** Twelve hex digits for time and counter, which are exact in a double, come last. */
const PREFIX_LENGTH = 20

const [count = 0, pid = 0] = [process.argv[2], process.argv[4]].map(Number)
const generator = new UniqueIdGenerator(process.argv[3], pid)
const suffixes = new Float64Array(count)
const prefixes = new Set<string>()
console.log('ready')
await new Promise<void>((resolve) => process.stdin.once('data', () => resolve()))
for (let i = 0; i < count; i++) {
  const id = generator.next()
  prefixes.add(id.slice(0, PREFIX_LENGTH))
  suffixes[i] = Number.parseInt(id.slice(PREFIX_LENGTH), 16)
}
suffixes.sort()
let repeated = 0
for (let i = 1; i < count; i++) if (suffixes[i] === suffixes[i - 1]) repeated++
const made: MadeIds = { count, repeated, prefixes: [...prefixes] }
console.log(JSON.stringify(made))
process.stdin.destroy()
