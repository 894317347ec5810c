import { TransactionProducer } from '../../src/index.js'
import { executeTransaction, TransactionRecord } from './transaction-record.js'

/**
 * A process that sends half messages and runs their local transactions, until it is killed.
 *
 * Arguments: NameServers, topic, producer group, file of the {@link TransactionRecord}.
 */
const [namesrvAddr = '', topic = '', producerGroup = '', file = ''] = process.argv.slice(2)
const AT_A_TIME = 100

const record = new TransactionRecord(file)
const producer = new TransactionProducer({
  producerGroup,
  namesrvAddr,
  checkLocalTransaction: ({ keys: [key = ''] }) => record.read().get(key) ?? 'UNKNOWN',
})
await producer.start()
let next = 0
const worker = async () => {
  for (;;) {
    const i = next++
    await producer.sendInTransaction({ topic, keys: `k${i}`, body: `message ${i}` }, () =>
      executeTransaction(record, i),
    )
  }
}
await Promise.all(Array.from({ length: AT_A_TIME }, worker))
