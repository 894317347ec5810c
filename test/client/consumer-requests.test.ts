import { describe, expect, it } from 'vitest'
import { ConsumerRequests } from '../../src/client/consumer-requests.js'
import { silentLogger } from '../../src/logger.js'
import { remotingClient } from '../support/remoting-under-test.js'
import { type FrameParts, ONEWAY, type ScriptedConnection, scriptedServer } from '../support/scripted-server.js'
import { turns, until } from '../support/until.js'

const RUNNING_INFO = 307
const STATUS = 221
const IDS_CHANGED = 40

async function setUp() {
  const server = await scriptedServer()
  const remoting = remotingClient()
  const requests = new ConsumerRequests(remoting, silentLogger)
  await remoting.connect(server.address)
  const connection = await until(() => server.connections[0])
  return { requests, connection, address: server.address }
}

async function answerTo(connection: ScriptedConnection, parts: FrameParts) {
  const count = connection.answers.length
  connection.request({ opaque: 500 + count, ...parts })
  await until(() => connection.answers.length > count)
  return connection.answers[count]
}

describe('ConsumerRequests', () => {
  it('hands a request to the consumer whose group it names, in the field that its code has for it', async () => {
    const { requests, connection, address } = await setUp()
    const seen: string[] = []
    const handlers = (group: string) =>
      new Map(
        [RUNNING_INFO, STATUS].map((code) => [
          code,
          (_request: unknown, from: string) => {
            seen.push(`${group} ${code} ${from}`)
            return { code: 0, body: Buffer.from(group) }
          },
        ]),
      )
    requests.registerConsumer('g', handlers('g'))
    requests.registerConsumer('h', handlers('h'))
    const info = await answerTo(connection, { code: RUNNING_INFO, fields: { consumerGroup: 'h' } })
    const status = await answerTo(connection, { code: STATUS, fields: { group: 'g' } })
    expect([info?.code, info?.body.toString(), status?.body.toString()]).toEqual([0, 'h', 'g'])
    expect(seen).toEqual([`h ${RUNNING_INFO} ${address}`, `g ${STATUS} ${address}`])
  })

  it('answers for a group that is not here, or not any more, that it is not', async () => {
    const { requests, connection } = await setUp()
    requests.registerConsumer('g', new Map([[STATUS, () => ({ code: 0 })]]))
    requests.unregister('g')
    for (const fields of [{ group: 'g' }, { group: 'other' }, {}]) {
      const answer = await answerTo(connection, { code: STATUS, fields: fields as Record<string, string> })
      expect(answer).toMatchObject({ code: 1 })
      expect(answer?.remark).toContain('not exist in this consumer')
    }
  })

  it('answers what the consumer does not do with the code for that', async () => {
    const { requests, connection } = await setUp()
    requests.registerConsumer('g', new Map())
    expect(await answerTo(connection, { code: STATUS, fields: { group: 'g' } })).toMatchObject({ code: 3 })
  })

  it('answers nothing to a notification, whoever it is for', async () => {
    const { requests, connection } = await setUp()
    let count = 0
    requests.registerConsumer('g', new Map([[IDS_CHANGED, () => void count++]]))
    connection.request({ code: IDS_CHANGED, flag: ONEWAY, fields: { consumerGroup: 'g' } })
    connection.request({ code: IDS_CHANGED, flag: ONEWAY, fields: { consumerGroup: 'other' } })
    connection.request({ code: IDS_CHANGED, flag: ONEWAY })
    await until(() => count === 1)
    await turns()
    expect([count, connection.answers.length]).toEqual([1, 0])
  })
})
