// Sends messages that are delivered only when the local transaction they belong to commits.
//   NAMESRV_ADDR=localhost:9876 npx tsx examples/transaction.ts [topic]
import { once } from 'node:events'
import { type LocalTransactionState, TransactionProducer } from 'rocketmq-remoting'

const topic = process.argv[2] ?? 'ExampleTopic'

/** Stands for a table of a database: what is written there in one transaction with the order itself. */
const payments = new Map<string, LocalTransactionState>()
const checked = new EventTarget()

const producer = new TransactionProducer({
  producerGroup: 'example-transaction-producer',
  // Called when the broker was not told how a transaction has ended; any process of the group may be asked, so it looks at what is stored.
  checkLocalTransaction({ msgId, keys }) {
    const state = payments.get(msgId) ?? 'ROLLBACK'
    console.log(`${keys[0]}: the broker asks, ${state}`)
    checked.dispatchEvent(new Event(msgId))
    return state
  },
})
await producer.start()
try {
  const pay = async (order: string, state: LocalTransactionState, said = state) => {
    const message = { topic, keys: order, body: `${order} is paid` }
    const result = await producer.sendInTransaction(message, async ({ transactionId }) => {
      payments.set(transactionId, state)
      return said
    })
    console.log(`${order}: ${result.localTransactionState}`)
    return result.transactionId
  }
  await pay('order-1', 'COMMIT')
  await pay('order-2', 'ROLLBACK')

  // What is written is not always what the broker hears. It asks after 6 seconds at the earliest and up to 36 at the latest, unless it is configured otherwise.
  const transactionId = await pay('order-3', 'COMMIT', 'UNKNOWN')
  await once(checked, transactionId)
} finally {
  // Waits for the answer to the broker, too.
  await producer.shutdown()
}
console.log(`delivered order-1 and order-3 to ${topic}`)
