import { expect, onTestFinished } from 'vitest'
import { ConsumeTrace } from '../../src/client/trace/consume-trace.js'
import { TraceDispatcher } from '../../src/client/trace/trace-dispatcher.js'
import { messageTraceRule, type ResolvedMessageTraceOptions } from '../../src/client/trace/trace-options.js'
import { Client, type MessageExt } from '../../src/index.js'

/** Writes down that a group consumed messages. Resolves when brokers have it. */
export async function traceConsumption(
  namesrvAddr: string,
  consumerGroup: string,
  messages: readonly MessageExt[],
): Promise<void> {
  const client = new Client({ namesrvAddr })
  onTestFinished(() => client.shutdown())
  await client.start()
  const options = messageTraceRule.read(true, 'messageTrace') as ResolvedMessageTraceOptions
  const dispatcher = new TraceDispatcher(client, consumerGroup, 'CONSUME', options)
  new ConsumeTrace(dispatcher, messages).end(true, 'SUCCESS')
  await dispatcher.stop()
  expect(dispatcher.counts).toEqual({ sent: 2, dropped: 0, waiting: 0 })
}
