import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CompiledField } from '../../src/codec/command.js'
import type { JavaType } from '../../src/codec/header-field.js'
import { LANGUAGE_CODE, LANGUAGE_NAME } from '../../src/codec/remoting-command.js'
import { ResponseCode } from '../../src/remoting/response-code.js'
import { allCommands } from '../codec/all-commands.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import type { JavaHeaders } from '../support/oracle-verbs.js'

const VERSIONS = ['5.5.0', '5.4.0', '5.3.3', '5.1.4', '4.9.7']

/** What older servers don't know yet: `class.field` of headers. Here such a field is optional. */
const FIELDS_OF_LATER_VERSIONS: Readonly<Record<string, readonly string[]>> = {
  '5.1.4': [
    'CheckTransactionStateRequestHeader.topic',
    'EndTransactionRequestHeader.topic',
    'NotificationResponseHeader.pollingFull',
    'SendMessageResponseHeader.recallHandle',
  ],
  '4.9.7': [
    'CheckTransactionStateRequestHeader.topic',
    'EndTransactionRequestHeader.topic',
    'PullMessageResponseHeader.offsetDelta',
    'QueryConsumerOffsetRequestHeader.setZeroIfNotFound',
    'SendMessageResponseHeader.batchUniqId',
    'SendMessageResponseHeader.recallHandle',
  ],
}

/** Commands that older servers don't know, so that they have neither their codes nor their headers. */
const COMMANDS_OF_LATER_VERSIONS: Readonly<Record<string, readonly string[]>> = {
  '5.1.4': ['RECALL_MESSAGE'],
  '4.9.7': [
    'RECALL_MESSAGE',
    'GET_TOPIC_CONFIG',
    'LITE_PULL_MESSAGE',
    'QUERY_ASSIGNMENT',
    'SET_MESSAGE_REQUEST_MODE',
    'POP_MESSAGE',
    'NOTIFICATION',
    'ACK_MESSAGE',
    'BATCH_ACK_MESSAGE',
    'CHANGE_MESSAGE_INVISIBLETIME',
  ],
}

const RESPONSE_CODES_OF_LATER_VERSIONS: Readonly<Record<string, readonly string[]>> = {
  '5.1.4': ['INVALID_PARAMETER', 'GO_AWAY'],
  '4.9.7': [
    'INVALID_PARAMETER',
    'POLLING_FULL',
    'POLLING_TIMEOUT',
    'BROKER_NOT_EXIST',
    'BROKER_DISPATCH_NOT_COMPLETE',
    'BROADCAST_CONSUMPTION',
    'NOT_LEADER_FOR_QUEUE',
    'ILLEGAL_OPERATION',
    'GO_AWAY',
  ],
}

/** Codes of controllers, between servers, of access-control administration and of lite topics: no request of this client is answered with them. */
const RESPONSE_CODES_NOT_MET =
  /^(CONTROLLER_|RPC_|LMQ_|LITE_|USER_NOT_EXIST$|POLICY_NOT_EXIST$|\w+_ACL_CONFIG_FAILED$|UPDATE_GLOBAL_WHITE_ADDRS)/

const JAVA_TYPES: Readonly<Record<JavaType, readonly string[]>> = {
  String: ['String'],
  int: ['int', 'Integer'],
  long: ['long', 'Long'],
  boolean: ['boolean', 'Boolean'],
}

interface Definition {
  readonly command: string
  readonly header: string | undefined
  readonly fields: readonly CompiledField[]
}

const commands = await allCommands()
const definitions: readonly Definition[] = commands.flatMap(
  ({ name, javaHeader, javaResponseHeader, request, response }) => [
    { command: name, header: javaHeader, fields: request.fields },
    { command: name, header: javaResponseHeader, fields: response.fields },
  ],
)
const withHeader = definitions.flatMap(({ command, header, fields }) =>
  header === undefined ? [] : [{ command, header, fields }],
)

describe('command definitions', () => {
  it('name the Java class of each header that has fields, so that it can be compared', () => {
    expect(definitions.filter(({ header, fields }) => header === undefined && fields.length > 0)).toEqual([])
    expect(withHeader.length).toBeGreaterThan(0)
  })
})

describe.each(VERSIONS)('the commands of RocketMQ %s', (version) => {
  let oracle: Oracle | undefined
  let java: JavaHeaders

  beforeAll(async () => {
    oracle = await startOracle(version)
    const names = definitions.map(({ command, header }) => [command, header ?? null] as const)
    java = await oracle.call('headers', { names })
  })

  afterAll(async () => {
    await oracle?.stop()
  })

  function fieldsOf(header: string) {
    const found = java.headers[header]
    if (found === undefined || found.missing) throw new Error(`RocketMQ ${version} has no class ${header}`)
    return found.fields
  }

  const laterFields = FIELDS_OF_LATER_VERSIONS[version] ?? []
  const laterCommands = COMMANDS_OF_LATER_VERSIONS[version] ?? []
  const knownCommands = commands.filter(({ name }) => !laterCommands.includes(name))
  const knownWithHeader = withHeader.filter(({ command }) => !laterCommands.includes(command))
  const laterCodes = RESPONSE_CODES_OF_LATER_VERSIONS[version] ?? []

  it.each(knownCommands)('have the code $code for $name', ({ name, code }) => {
    expect(java.commands[name]).toBe(code)
  })

  it.each(knownWithHeader)(
    'have in $header all fields that $command names, with the same types and required marks',
    ({ header, fields }) => {
      const known = fields.filter(({ wireName }) => !laterFields.includes(`${header}.${wireName}`))
      const javaFields = new Map(fieldsOf(header).map((field) => [field.name, field]))
      expect(known.filter(({ wireName }) => !javaFields.has(wireName)).map(({ wireName }) => wireName)).toEqual([])
      for (const { wireName, javaType, isOptional } of known) {
        expect(JAVA_TYPES[javaType], wireName).toContain(javaFields.get(wireName)?.type)
        expect(!isOptional, `${wireName} is required`).toBe(javaFields.get(wireName)?.required)
      }
    },
  )

  it.each(knownWithHeader)('require nothing in $header that $command does not send or read', ({ header, fields }) => {
    const required = fieldsOf(header).filter((field) => field.required)
    const own = fields.filter(({ isOptional }) => !isOptional).map(({ wireName }) => wireName)
    expect(required.map(({ name }) => name).filter((name) => !own.includes(name))).toEqual([])
  })

  it('lack the commands that came later', () => {
    expect(laterCommands.filter((name) => java.commands[name] !== null)).toEqual([])
  })

  it('lack the fields that came later, which are optional here', () => {
    for (const later of laterFields) {
      const [header = '', name] = later.split('.')
      const uses = withHeader.filter((definition) => definition.header === header).flatMap(({ fields }) => fields)
      const fields = uses.filter(({ wireName }) => wireName === name)
      expect(fields.length, later).toBeGreaterThan(0)
      expect(
        fields.every(({ isOptional }) => isOptional),
        later,
      ).toBe(true)
      expect(
        fieldsOf(header).map((field) => field.name),
        later,
      ).not.toContain(name)
    }
  })

  it('have these response codes, with these names', () => {
    const codes = { ...java.systemResponseCodes, ...java.responseCodes }
    const own = Object.fromEntries(Object.entries(ResponseCode).filter(([name]) => !laterCodes.includes(name)))
    expect(codes).toMatchObject(own)
    expect(laterCodes.filter((name) => name in codes)).toEqual([])
  })

  it('have no further response code that a client meets', () => {
    const names = Object.keys({ ...java.systemResponseCodes, ...java.responseCodes })
    expect(names.filter((name) => !(name in ResponseCode) && !RESPONSE_CODES_NOT_MET.test(name))).toEqual([])
  })

  it('know the language that this client says it is written in', () => {
    expect(java.languageCodes[LANGUAGE_NAME]).toBe(LANGUAGE_CODE)
  })
})
