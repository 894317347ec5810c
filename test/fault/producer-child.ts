import { DefaultProducer, isRocketMQError } from '../../src/index.js'

/**
 * A process with a producer, that must end by itself once the producer is shut down.
 *
 * Arguments: NameServers, topic, and `burst` (1,000 sends at once, then a shutdown) or `stream` (sends until SIGTERM asks for a shutdown).
 * Prints a line `ready` when sends are under way, and at the end one of JSON: {@link Outcome}.
 */
export interface Outcome {
  readonly started: number
  readonly acknowledged: readonly string[]
  readonly rejected: readonly { body: string; code: string; mayBeStored: boolean | undefined }[]
}

const SENDS = 1_000
const [namesrvAddr = '', topic = '', mode = ''] = process.argv.slice(2)

const producer = new DefaultProducer({
  producerGroup: 'child',
  namesrvAddr,
  sendTimeout: 30_000,
  requestTimeout: 30_000,
})
const acknowledged: string[] = []
const rejected: { body: string; code: string; mayBeStored: boolean | undefined }[] = []
const sends: Promise<void>[] = []

function send(): void {
  const body = `m${sends.length}`
  sends.push(
    producer.send({ topic, body }).then(
      () => void acknowledged.push(body),
      (error: unknown) => {
        if (!isRocketMQError(error)) throw error
        rejected.push({ body, code: error.code, mayBeStored: error.mayBeStored })
      },
    ),
  )
}

async function shutdown(): Promise<void> {
  await producer.shutdown()
  await Promise.all(sends)
  const outcome: Outcome = { started: sends.length, acknowledged, rejected }
  console.log(JSON.stringify(outcome))
}

await producer.start()
if (mode === 'burst') {
  for (let i = 0; i < SENDS; i++) send()
  console.log('ready')
  await shutdown()
} else {
  let isStopping = false
  process.once('SIGTERM', () => {
    isStopping = true
    void shutdown()
  })
  while (!isStopping) {
    for (let i = 0; i < SENDS / 10; i++) send()
    if (sends.length === SENDS) console.log('ready')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
