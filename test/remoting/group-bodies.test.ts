import { describe, expect, it } from 'vitest'
import { MessageError } from '../../src/errors.js'
import { readAssignments } from '../../src/remoting/commands/assignment.js'
import { readConsumerConnection, readConsumerIdList } from '../../src/remoting/commands/group.js'

const bytes = (text: string) => Buffer.from(text)

describe('readConsumerIdList', () => {
  it('reads the ids of a group', () => {
    expect(readConsumerIdList(bytes('{"consumerIdList":["b@1","a@1"]}'))).toEqual(['b@1', 'a@1'])
    expect(readConsumerIdList(bytes('{}'))).toEqual([])
  })
})

describe('readConsumerConnection', () => {
  it('reads who is in a group and what it wants, each member once', () => {
    const connection = readConsumerConnection(
      bytes(
        '{"connectionSet":[{"clientAddr":"1:2","clientId":"a","language":"JAVA","version":493},{"clientId":"b"},{"clientId":"a"}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",' +
          '"subscriptionTable":{"T":{"classFilterMode":false,"codeSet":[1],"expressionType":"SQL92","subString":"a > 5","tagsSet":["x"],"topic":"T"},"__proto__":{}}}',
      ),
    )
    expect(connection.clientIds).toEqual(['a', 'b'])
    expect([...connection.subscriptions]).toEqual([
      ['T', { subString: 'a > 5', expressionType: 'SQL92', tagsSet: ['x'] }],
      ['__proto__', { subString: '', expressionType: 'TAG', tagsSet: [] }],
    ])
  })

  it('reads an empty answer', () => {
    expect(readConsumerConnection(bytes('{}'))).toEqual({ clientIds: [], subscriptions: new Map() })
  })
})

describe('readAssignments', () => {
  it('reads queues, how to fetch each, and what is attached', () => {
    const body =
      '{"messageQueueAssignments":[{"attachments":{"a":"b","n":5},"messageQueue":{"brokerName":"x","queueId":-1,"topic":"T"},"mode":"POP"},' +
      '{"messageQueue":{"brokerName":"x","queueId":3,"topic":"T"}},{"messageQueue":null,"mode":"PULL"}]}'
    const assignments = readAssignments(bytes(body))
    expect(assignments).toEqual([
      { queue: { topic: 'T', brokerName: 'x', queueId: -1 }, mode: 'POP', attachments: { a: 'b' } },
      { queue: { topic: 'T', brokerName: 'x', queueId: 3 }, mode: 'PULL', attachments: {} },
    ])
    expect(Object.getPrototypeOf(assignments?.[0]?.attachments)).toBeNull()
  })

  it('tells none from not knowing', () => {
    expect(readAssignments(bytes('{"messageQueueAssignments":[]}'))).toEqual([])
    expect(readAssignments(bytes('{"messageQueueAssignments":null}'))).toBeUndefined()
    expect(readAssignments(bytes('{}'))).toBeUndefined()
  })
})

describe('bodies that are wrong', () => {
  it.each<[string, (body: Buffer) => unknown, string]>([
    ['', readConsumerIdList, 'character 0'],
    ['[]', readConsumerIdList, 'the body of a consumer list is a list'],
    ['{"consumerIdList":5}', readConsumerIdList, 'consumerIdList of a consumer list is 5'],
    ['{"consumerIdList":[5]}', readConsumerIdList, 'consumerIdList[0] of a consumer list is 5'],
    ['{"consumerIdList":[""]}', readConsumerIdList, "consumerIdList[0] of a consumer list is ''"],
    ['{"connectionSet":[5]}', readConsumerConnection, 'connectionSet[0] of a consumer connection list is 5'],
    ['{"connectionSet":[{}]}', readConsumerConnection, 'connectionSet[0].clientId'],
    ['{"subscriptionTable":{"T":5}}', readConsumerConnection, 'subscriptionTable.T'],
    ['{"messageQueueAssignments":{}}', readAssignments, 'messageQueueAssignments of an assignment is an object'],
    ['{"messageQueueAssignments":[5]}', readAssignments, 'messageQueueAssignments[0]'],
    ['{"messageQueueAssignments":[{"messageQueue":{}}]}', readAssignments, 'messageQueue.topic'],
    [
      '{"messageQueueAssignments":[{"messageQueue":{"topic":"T","brokerName":"b","queueId":"x"}}]}',
      readAssignments,
      "messageQueue.queueId of an assignment is 'x'",
    ],
    [
      '{"messageQueueAssignments":[{"messageQueue":{"topic":"T","brokerName":"b","queueId":0},"mode":"PUSH"}]}',
      readAssignments,
      "mode of an assignment is 'PUSH'",
    ],
  ])('are refused with what is wrong and where: %s', (body, read, problem) => {
    expect(() => read(bytes(body))).toThrowError(MessageError)
    expect(() => read(bytes(body))).toThrowError(problem)
  })
})
