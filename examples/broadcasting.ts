// Every member gets every message, and keeps how far it came in a file of its host: to have all processes forget what they cached, for example.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/broadcasting.ts [topic]
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DefaultProducer, PushConsumer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const products = ['apple', 'pear', 'melon']
const done = new EventTarget()

// Without the option localOffsetStoreDir, in ~/.rocketmq_offsets. There, a restart goes on where the process was; here, everything is removed at the end.
const directory = await mkdtemp(join(tmpdir(), 'example-broadcasting-'))
const shops = [await openShop('north'), await openShop('south')]
const producer = new DefaultProducer({ producerGroup: 'example-producer' })
try {
  await producer.start()
  await producer.send({ topic, body: 'creates the topic, where it does not exist' })
  // When they are started, they get what is sent from then on. What was sent before concerns no cache.
  await Promise.all(shops.map(({ consumer }) => consumer.start()))
  const finished = once(done, 'finished')
  for (const product of products) await producer.send({ topic, keys: product, body: 'has another price' })
  await finished
  for (const { name, cache } of shops) console.log(`the shop in the ${name} has forgotten all but ${cache.size} prices`)
} finally {
  await Promise.all([producer.shutdown(), ...shops.map(({ consumer }) => consumer.shutdown())])
  await rm(directory, { recursive: true, force: true })
}

async function openShop(name: string) {
  const cache = new Set(products)
  const consumer = new PushConsumer({
    consumerGroup: 'example-broadcasting',
    messageModel: 'BROADCASTING',
    localOffsetStoreDir: directory,
    // Names the file: one for each process of a host.
    instanceName: name,
  })
  await consumer.subscribe(topic)
  consumer.onMessage((messages) => {
    for (const { keys } of messages) for (const key of keys) cache.delete(key)
    if (shops.every((shop) => shop.cache.size === 0)) done.dispatchEvent(new Event('finished'))
  })
  // Nobody takes messages back that are broadcast: what the handler throws on is gone for this member.
  consumer.on('messagesDropped', ({ msgIds }) => console.log(`${name} could not handle ${msgIds}`))
  consumer.on('error', ({ what, error }) => console.error(what, error))
  return { name, cache, consumer }
}
