import { describe, expect, it } from 'vitest'
import { Namespace } from '../../src/client/namespace.js'
import { withOriginalTopics } from '../../src/consumer/retry-topic.js'
import { decodedMessage } from './stored-messages.js'

describe('a message of a retry topic', () => {
  it.each([
    ['%RETRY%g', { RETRY_TOPIC: 'T' }, undefined, 'T'],
    ['%RETRY%g', { RETRY_TOPIC: 'ns%T' }, 'ns', 'T'],
    ['%RETRY%g_T', {}, undefined, 'T'],
    ['%RETRY%g_ns%T_1', {}, 'ns', 'T_1'],
    ['%RETRY%g_T', { RETRY_TOPIC: 'U' }, undefined, 'U'],
    ['%RETRY%g', {}, undefined, '%RETRY%g'],
    ['%RETRY%other_T', {}, undefined, '%RETRY%other_T'],
  ])('of %s with %j (namespace %s) gets the topic %s again', (topic, properties, namespace, expected) => {
    const message = decodedMessage({ topic, queueOffset: 1, properties })
    const [original] = withOriginalTopics([message], new Namespace(namespace), 'g')
    expect(original?.topic).toBe(expected)
  })
})
