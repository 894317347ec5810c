// Sets up a fresh clone and runs the test suites. The last line says how many tests passed, failed and were skipped.
import { format, oneOf, sum } from './lib/counts.mjs'
import { hasJavaAndMaven } from './lib/java.mjs'
import { main, setUp } from './lib/set-up.mjs'
import { failedTests, formatFailed, runProjects } from './lib/suites.mjs'

/** The suites run one behind the other. The parts of one run side by side: `real` and `java` wait for brokers most of the time. */
const SUITES = [[['unit', 'types']], [['package']], [['real']]]
const SUITES_WITH_JAVA = [[['unit', 'types']], [['package']], [['real'], ['java']], [['fault']]]

await main(async () => {
  try {
    await setUp()
  } catch (error) {
    console.log(format(oneOf(false)))
    throw error
  }
  const hasJava = hasJavaAndMaven()
  const results = []
  for (const parts of hasJava ? SUITES_WITH_JAVA : SUITES) {
    console.log(`\n--- ${parts.flat().join(' + ')} ---`)
    const runs = parts.map((projects, index) => runProjects(projects, { isHeldBack: index > 0 }))
    results.push(...(await Promise.all(runs)))
  }
  const total = sum(results)
  if (!hasJava)
    console.log(
      'The suites java and fault need Java 17 or newer and Maven, which this machine lacks: they were not run.',
    )
  if (total.failed > 0) process.exitCode = 1
  for (const name of failedTests) console.log(formatFailed(name))
  console.log(format(total))
})
