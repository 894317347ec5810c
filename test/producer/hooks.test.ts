import { runInNewContext } from 'node:vm'
import { describe, expect, it, vi } from 'vitest'
import { BrokerError, ClientError, RemotingError } from '../../src/errors.js'
import type { Logger } from '../../src/logger.js'
import { DefaultProducer } from '../../src/producer/default-producer.js'
import { HookRunner } from '../../src/producer/hook-runner.js'
import type {
  CheckForbiddenContext,
  EndTransactionContext,
  ProducerHooks,
  SendMessageContext,
} from '../../src/producer/producer-hooks.js'
import { connected, startedProducer } from '../support/members-under-test.js'
import { Code, scriptedCluster } from '../support/scripted-cluster.js'
import { staySilent } from '../support/scripted-server.js'
import { rejectionOf, turns, until } from '../support/until.js'

const message = { topic: 'T', body: 'four' }
const FAULT = new Error('a fault of the hook')
const SYSTEM_ERROR = 1

type Call = [name: string, context: SendMessageContext]

/** Hooks that note their calls, with the context as it is then. */
function noting(calls: Call[], label = ''): ProducerHooks {
  return {
    sendMessageBefore: (context) => void calls.push([`before${label}`, { ...context }]),
    sendMessageAfter: (context) => void calls.push([`after${label}`, { ...context }]),
  }
}

function noteLog(): { logger: Logger; warnings: unknown[][] } {
  const warnings: unknown[][] = []
  const nothing = () => undefined
  return {
    logger: { debug: nothing, info: nothing, warn: (...words) => void warnings.push(words), error: nothing },
    warnings,
  }
}

describe('hooks around a send', () => {
  it('are told of the attempt before it, and of its result after it', async () => {
    const cluster = await scriptedCluster()
    const calls: Call[] = []
    const producer = await startedProducer(cluster, { hooks: noting(calls) })
    const began = Date.now()
    const result = await producer.send({ ...message, tags: 'A' })
    expect(calls.map(([name]) => name)).toEqual(['before', 'after'])
    const [[, before], [, after]] = calls as [Call, Call]
    const shared = {
      producerGroup: 'p',
      messages: [{ ...message, tags: 'A' }],
      msgId: result.msgId,
      messageKind: 'NORMAL',
      messageQueue: result.messageQueue,
      brokerAddress: cluster.broker().address,
      communicationMode: 'SYNC',
      bodyLength: 4,
    }
    expect(before).toMatchObject({ ...shared, elapsed: 0 })
    expect(before.startedAt).toBeGreaterThanOrEqual(began)
    expect(before).not.toHaveProperty('sendResult')
    expect(after).toMatchObject({ ...shared, sendResult: result, startedAt: before.startedAt })
    expect(after.elapsed).toBeGreaterThan(0)
    expect(after).not.toHaveProperty('error')
  })

  it('are told of each attempt by itself, with the error of one that failed', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    let attempts = 0
    for (const broker of cluster.brokers) {
      broker.scripts.set(Code.SEND, (request, connection) => {
        attempts++
        if (attempts === 1) connection.answer(request, { code: SYSTEM_ERROR, remark: 'the disk is on fire' })
        else if (attempts === 2) connection.reset()
        else broker.store(request, connection)
      })
    }
    const calls: Call[] = []
    const producer = await connected(await startedProducer(cluster, { hooks: noting(calls) }))
    const result = await producer.send(message)
    expect(calls.map(([name]) => name)).toEqual(['before', 'after', 'before', 'after', 'before', 'after'])
    const [first, second, third] = calls.filter(([name]) => name === 'after').map(([, context]) => context)
    expect(first?.error).toBeInstanceOf(BrokerError)
    expect(first?.error).toMatchObject({ responseCode: SYSTEM_ERROR, remark: 'the disk is on fire' })
    expect(first).not.toHaveProperty('sendResult')
    expect(second?.error).toBeInstanceOf(RemotingError)
    expect(third).toMatchObject({ sendResult: result, messageQueue: result.messageQueue })
    expect(third).not.toHaveProperty('error')
    expect(second?.messageQueue.brokerName).not.toBe(first?.messageQueue.brokerName)
    expect(new Set(calls.map(([, { msgId }]) => msgId))).toEqual(new Set([result.msgId]))
  })

  it('are told of a send that gets no answer, with its error', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, staySilent)
    const calls: Call[] = []
    const options = { hooks: noting(calls), retryTimesWhenSendFailed: 0 }
    const producer = await connected(await startedProducer(cluster, options))
    await rejectionOf(producer.send(message, { timeout: 300 }))
    const controller = new AbortController()
    const aborted = rejectionOf(producer.send(message, { signal: controller.signal }))
    await until(() => cluster.broker().sends.length === 2)
    controller.abort()
    await aborted
    const errors = calls.filter(([name]) => name === 'after').map(([, { error }]) => error?.code)
    expect(errors).toEqual(['TIMEOUT', 'ABORTED'])
  })

  it('are told of a batch as one send, with all its messages', async () => {
    const cluster = await scriptedCluster()
    const calls: Call[] = []
    const producer = await startedProducer(cluster, { hooks: noting(calls) })
    const messages = [message, { ...message, tags: 'A' }]
    const { msgId } = await producer.sendBatch(messages)
    expect(calls.map(([name]) => name)).toEqual(['before', 'after'])
    expect(calls[0]?.[1]).toMatchObject({ messages, msgId, messageKind: 'NORMAL' })
  })

  it('are told of a oneway send, which has neither result nor error', async () => {
    const cluster = await scriptedCluster()
    const calls: Call[] = []
    const producer = await startedProducer(cluster, { hooks: noting(calls) })
    await producer.sendOneway(message)
    expect(calls.map(([name]) => name)).toEqual(['before', 'after'])
    const [, after] = calls[1] as Call
    expect(after).toMatchObject({ communicationMode: 'ONEWAY', messages: [message] })
    expect(after).not.toHaveProperty('sendResult')
    expect(after).not.toHaveProperty('error')
  })

  it('are told of a oneway send that could not be written', async () => {
    const cluster = await scriptedCluster()
    const calls: Call[] = []
    const producer = await startedProducer(cluster, { hooks: noting(calls) })
    await producer.fetchPublishMessageQueues('T')
    await cluster.broker().server.close()
    await until(() => !producer.health().isHealthy)
    await rejectionOf(producer.sendOneway(message))
    expect(calls.map(([name]) => name)).toEqual(['before', 'after'])
    expect(calls[1]?.[1].error).toBeInstanceOf(RemotingError)
  })

  it('are told how long the body is on the wire', async () => {
    const cluster = await scriptedCluster()
    const calls: Call[] = []
    const producer = await startedProducer(cluster, { hooks: noting(calls) })
    const body = 'x'.repeat(10_000)
    await producer.send({ topic: 'T', body })
    const [sent] = cluster.broker().sends
    expect(sent?.body.length).toBeLessThan(100)
    expect(calls[0]?.[1]).toMatchObject({ bodyLength: sent?.body.length, messages: [{ topic: 'T', body }] })
  })

  it('may be several: all are called, in their order, with one context', async () => {
    const cluster = await scriptedCluster()
    const calls: Call[] = []
    const contexts = new Set<SendMessageContext>()
    const remembering: ProducerHooks = {
      sendMessageBefore: (context) => void contexts.add(context),
      sendMessageAfter: (context) => void contexts.add(context),
    }
    const hooks = [noting(calls, ' 1'), remembering, noting(calls, ' 2'), {}]
    const producer = await startedProducer(cluster, { hooks })
    await producer.send(message)
    expect(calls.map(([name]) => name)).toEqual(['before 1', 'before 2', 'after 1', 'after 2'])
    expect(contexts.size).toBe(1)
  })

  it('are called as methods of their object', async () => {
    const cluster = await scriptedCluster()
    class Counting implements ProducerHooks {
      count = 0
      sendMessageAfter(): void {
        this.count++
      }
    }
    const hooks = new Counting()
    const producer = await startedProducer(cluster, { hooks })
    await producer.send(message)
    expect(hooks.count).toBe(1)
  })

  it('can not change what is sent', async () => {
    const cluster = await scriptedCluster()
    const given = { topic: 'T', body: Buffer.from('as it was'), tags: 'A' }
    const hooks: ProducerHooks = {
      sendMessageBefore: ({ messages: [first] }) => {
        if (first === undefined) return
        Object.assign(first, { tags: 'B' })
        given.body.fill(0)
      },
    }
    const producer = await startedProducer(cluster, { hooks })
    await producer.send(given)
    const [sent] = cluster.broker().sends
    expect(sent?.body.toString()).toBe('as it was')
    expect(sent?.field('i')).toContain('TAGS\u0001A\u0002')
  })
})

describe('a hook that fails', () => {
  const OtherPromise = runInNewContext('Promise') as PromiseConstructor
  it.each<[string, () => undefined]>([
    [
      'throws',
      () => {
        throw FAULT
      },
    ],
    ['rejects', () => Promise.reject(FAULT) as unknown as undefined],
    ['rejects by a promise of another realm', () => OtherPromise.reject(FAULT) as unknown as undefined],
  ])('harms nothing when it %s: the others are called, the log says it, the send succeeds', async (_how, fail) => {
    const cluster = await scriptedCluster()
    const calls: Call[] = []
    const { logger, warnings } = noteLog()
    const hooks = [{ sendMessageBefore: fail, sendMessageAfter: fail }, noting(calls)]
    const producer = await startedProducer(cluster, { hooks, logger })
    await expect(producer.send(message)).resolves.toMatchObject({ sendStatus: 'SEND_OK' })
    await expect(producer.sendOneway(message)).resolves.toBeUndefined()
    expect(calls.map(([name]) => name)).toEqual(['before', 'after', 'before', 'after'])
    // Vitest fails the run for a rejection that nobody handles.
    await turns()
    const expected = ['sendMessageBefore', 'sendMessageAfter', 'sendMessageBefore', 'sendMessageAfter']
    expect(warnings).toEqual(expected.map((name) => [`hook ${name} threw`, { error: FAULT }]))
  })

  it('does not hide why a send failed', async () => {
    const cluster = await scriptedCluster()
    cluster.broker().scripts.set(Code.SEND, (request, connection) => connection.answer(request, { code: 13 }))
    const sendMessageAfter = () => {
      throw FAULT
    }
    const producer = await startedProducer(cluster, { hooks: { sendMessageAfter } })
    expect(await rejectionOf(producer.send(message))).toMatchObject({ name: 'BrokerError', responseCode: 13 })
  })
})

describe('checkForbidden', () => {
  const forbidding = (forbid: (context: CheckForbiddenContext) => void): ProducerHooks => ({ checkForbidden: forbid })

  it('rejects the send by throwing: nothing is sent, and nothing is tried again', async () => {
    const cluster = await scriptedCluster(['broker-a', 'broker-b'])
    const contexts: CheckForbiddenContext[] = []
    const calls: Call[] = []
    const hooks = [
      forbidding((context) => {
        contexts.push(context)
        throw FAULT
      }),
      noting(calls),
    ]
    const producer = await startedProducer(cluster, { hooks })
    const error = await rejectionOf(producer.send(message))
    expect(error).toBeInstanceOf(ClientError)
    expect(error).toMatchObject({ code: 'FORBIDDEN', mayBeStored: false })
    expect(error.message).toContain('hook checkForbidden forbids a message for topic T: a fault of the hook')
    expect(error.cause).toMatchObject({ cause: FAULT })
    expect(contexts).toHaveLength(1)
    expect(contexts[0]).toMatchObject({ producerGroup: 'p', messages: [message], messageQueue: { topic: 'T' } })
    expect(cluster.brokers.map((broker) => broker.address)).toContain(contexts[0]?.brokerAddress)
    expect(calls).toEqual([])
    expect(await rejectionOf(producer.sendOneway(message))).toMatchObject({ code: 'FORBIDDEN' })
    expect(await rejectionOf(producer.sendBatch([message]))).toMatchObject({ code: 'FORBIDDEN' })
    await turns()
    expect(cluster.brokers.flatMap((broker) => broker.sends)).toEqual([])
  })

  it('lets everything pass for which it does not throw', async () => {
    const cluster = await scriptedCluster()
    const hooks = forbidding(({ messages }) => {
      if (messages.some(({ tags }) => tags === 'secret')) throw new Error('secrets stay here')
    })
    const producer = await startedProducer(cluster, { hooks })
    await producer.send(message)
    const batch = producer.sendBatch([message, { ...message, tags: 'secret' }])
    expect(await rejectionOf(batch)).toMatchObject({ code: 'FORBIDDEN' })
    await producer.send({ ...message, tags: 'open' })
    expect(cluster.broker().sends).toHaveLength(2)
  })

  it.each([
    ['resolves', () => Promise.resolve()],
    ['rejects', () => Promise.reject(FAULT)],
  ])('forbids when it returns a promise, for which nobody waits, also one that %s', async (_how, check) => {
    const cluster = await scriptedCluster()
    const producer = await startedProducer(cluster, { hooks: forbidding(check as () => void) })
    const error = await rejectionOf(producer.send(message))
    expect(error).toMatchObject({ code: 'FORBIDDEN' })
    expect(error.message).toContain('it returned a promise, but it must decide at once')
    await turns()
    expect(cluster.broker().sends).toEqual([])
  })

  it('may throw what is no error', async () => {
    const cluster = await scriptedCluster()
    const hooks = forbidding(() => {
      throw 'no'
    })
    const producer = await startedProducer(cluster, { hooks })
    expect((await rejectionOf(producer.send(message))).message).toContain("forbids a message for topic T: 'no'")
  })
})

describe('HookRunner', () => {
  it('calls endTransaction of all, and survives what they throw', () => {
    const { logger, warnings } = noteLog()
    const endTransaction = vi.fn()
    const failing = {
      endTransaction: () => {
        throw FAULT
      },
    }
    const runner = new HookRunner([failing, {}, { endTransaction }], 'p', logger)
    const context: EndTransactionContext = {
      producerGroup: 'p',
      message,
      msgId: 'id',
      transactionId: 'tx',
      brokerAddress: 'b:1',
      transactionState: 'COMMIT',
      fromTransactionCheck: false,
    }
    runner.endTransaction(context)
    expect(endTransaction.mock.calls).toEqual([[context]])
    expect(warnings).toEqual([['hook endTransaction threw', { error: FAULT }]])
  })
})

describe('the option hooks', () => {
  it.each([
    [7, 'an object with functions'],
    [[null], 'an object with functions'],
    [{ sendMessageBefore: 'call me' }, 'a function'],
  ])('is refused when it is %j', (hooks, expected) => {
    const make = () =>
      new DefaultProducer({ producerGroup: 'p', namesrvAddr: 'h:1', hooks: hooks as unknown as ProducerHooks })
    expect(make).toThrow(ClientError)
    expect(make).toThrow(expected)
  })
})
