// Sends a message and receives it in a cluster with access control and TLS, and says what is not allowed. All of the variables but the first are optional.
//   NAMESRV_ADDR=localhost:9876 MQ_ACCESS_KEY=shop MQ_SECRET_KEY=... MQ_CA=ca.pem MQ_CERT=shop.pem MQ_CERT_KEY=shop.key \
//     npx tsx examples/secured.ts [topic] [consumer group]
import { BrokerError, type Credentials, DefaultProducer, PushConsumer, type TlsOptions } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'
const consumerGroup = process.argv[3] ?? 'example-secured'
const {
  MQ_ACCESS_KEY: accessKey,
  MQ_SECRET_KEY: secretKey = '',
  MQ_CA: ca,
  MQ_CERT: cert,
  MQ_CERT_KEY: key,
} = process.env

// Asked at the start, and again about once a minute and when a broker does not know the credentials any more: the place to ask a vault.
const credentials = async (): Promise<Credentials> => ({ accessKey: accessKey ?? '', secretKey })

// Paths of files are fine as well: they are read again for each new connection. Without `ca`, the authorities that Node.js trusts.
const tls: TlsOptions = {
  ...(ca !== undefined && { ca }),
  // The client's own certificate, for servers that want one (mutual TLS).
  ...(cert !== undefined && key !== undefined && { cert, key }),
}
const security = { ...(accessKey !== undefined && { credentials }), ...(ca !== undefined && { tls }) }

const producer = new DefaultProducer({ producerGroup: 'example-producer', ...security })
const consumer = new PushConsumer({ consumerGroup, consumeFromWhere: 'FIRST', ...security })
let done: (body: string) => void
const received = new Promise<string>((resolve) => {
  done = resolve
})
consumer.onMessage(([message]) => done(String(message?.body)))
try {
  await producer.start()
  await producer.verifyCredentials(topic)
  const { sendStatus } = await producer.send({ topic, body: 'for your eyes only' })
  console.log(`sent: ${sendStatus}`)
  await consumer.subscribe(topic)
  // Consumers verify what they need by themselves: they don't start without it.
  await consumer.start()
  console.log(`received: ${await received}`)
} catch (error) {
  if (!(error instanceof BrokerError) || error.denial === undefined) throw error
  const { kind, resource = 'these credentials', reason } = error.denial
  console.log(`refused (${kind}): ${resource}, ${reason}`)
} finally {
  await Promise.all([producer.shutdown(), consumer.shutdown()])
}
