import { DefaultProducer } from '../../src/index.js'

/** A process that sends one request and waits for its reply, which it prints. Arguments: NameServers, topic. */
const [namesrvAddr = '', topic = ''] = process.argv.slice(2)

const producer = new DefaultProducer({ producerGroup: 'requester-child', namesrvAddr })
await producer.start()
const reply = await producer.request({ topic, body: producer.clientId }, { timeout: 60_000 })
console.log(reply.body.toString())
await producer.shutdown()
