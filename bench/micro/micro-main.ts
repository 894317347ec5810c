import { aliOnsCases } from './ali-ons-cases.js'
import { channelCases } from './channel-cases.js'
import { codecCases } from './codec-cases.js'
import { startEchoProcess } from './echo-process.js'
import { producerCases } from './producer-cases.js'
import { timeCase } from './time-case.js'
import { weighCase } from './weigh-case.js'

// Runs compiled, in a process of its own: prints one JSON line for each case, its time or its bytes.
const measure = process.argv[2] === 'bytes' ? weighCase : timeCase
using server = await startEchoProcess()
await using channel = channelCases(server.address)
await using producer = await producerCases(server.address)
for (const one of [...codecCases(), ...aliOnsCases(), ...channel.cases, ...producer.cases]) {
  const value = await measure(one)
  console.log(JSON.stringify({ name: one.name, by: one.by, value }))
}
