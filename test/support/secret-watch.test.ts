import { expect, onTestFinished, test } from 'vitest'
import { DefaultProducer } from '../../src/index.js'
import { scriptedCluster } from './scripted-cluster.js'
import { shownSecrets } from './secret-watch.js'
import { newSecret, searchForSecrets } from './secrets.js'
import { rejectionOf } from './until.js'

searchForSecrets()

async function newProducer(credentials?: () => never): Promise<DefaultProducer> {
  const { namesrvAddr } = await scriptedCluster()
  const producer = new DefaultProducer({ producerGroup: 'p', namesrvAddr, ...(credentials && { credentials }) })
  onTestFinished(() => producer.shutdown())
  return producer
}

test('the watch of the suites finds a secret in log lines and errors', async () => {
  const secret = newSecret()
  const producer = await newProducer(() => {
    throw new Error(`the vault does not know ${secret}`)
  })
  await rejectionOf(producer.start())
  const places = shownSecrets()
  expect(places).toContainEqual(expect.stringMatching(/^a log line \(warn\) shows a secret: /))
  expect(places).toContainEqual(expect.stringMatching(/^an error of Client\.start shows a secret: /))
  expect(places.join()).not.toContain(secret)
})

test('it finds one in an event, on the console and in an inspected client', async () => {
  const secret = newSecret()
  const producer = await newProducer()
  const emit = (producer.emit as (event: string, payload: object) => boolean).bind(producer)
  emit('warning', { message: secret })
  expect(shownSecrets()).toEqual([expect.stringMatching(/^the event warning shows a secret: /)])
  console.debug('signed with', Buffer.from(secret))
  expect(shownSecrets()).toEqual([expect.stringMatching(/^console\.debug shows a secret: /)])
  Object.assign(producer, { credentials: { secret } })
  await producer.shutdown()
  // Its second shutdown, at the end of the test, is looked at as well.
  Reflect.deleteProperty(producer, 'credentials')
  expect(shownSecrets()).toContainEqual(expect.stringMatching(/^Member, inspected, shows a secret: /))
})

test('it finds none in what a client shows by itself', async () => {
  const secretKey = newSecret()
  const { namesrvAddr } = await scriptedCluster()
  const producer = new DefaultProducer({
    producerGroup: 'p',
    namesrvAddr,
    credentials: { accessKey: 'app', secretKey },
  })
  await producer.start()
  await producer.send({ topic: 'T', body: 'x' })
  await producer.shutdown()
  expect(shownSecrets()).toEqual([])
})
