// Runs the tests of the shared cluster against one whose servers speak mutual TLS only and look who calls. Needs Java 17 and Maven.
//   node scripts/test-secured.mjs [PART-OF-A-FILE-NAME...]     ROCKETMQ_VERSION chooses the servers; those before 5.3 have ACL 1.0
import { format } from './lib/counts.mjs'
import { main, setUp } from './lib/set-up.mjs'
import { failedTests, formatFailed, runSecured } from './lib/suites.mjs'

await main(async () => {
  await setUp()
  const counts = await runSecured(process.argv.slice(2))
  if (counts.failed > 0) process.exitCode = 1
  for (const name of failedTests) console.log(formatFailed(name))
  console.log(format(counts))
})
