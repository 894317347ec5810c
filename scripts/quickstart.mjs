// Sets up a fresh clone, then sends and pulls 1,000 messages through a real RocketMQ: scripts/quickstart.ts.
import { run } from './lib/run.mjs'
import { main, setUp } from './lib/set-up.mjs'

await main(async () => {
  await setUp()
  const args = ['--import', 'tsx', 'scripts/quickstart.ts', ...process.argv.slice(2)]
  process.exitCode = await run(process.execPath, args, { handlesInterrupt: true })
})
