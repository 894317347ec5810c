import { expectTypeOf, test } from 'vitest'
import {
  BrokerError,
  ClientError,
  isRocketMQError,
  MessageError,
  RemotingError,
  type ResponseCode,
  type RocketMQError,
  type SendAttempt,
} from '../../src/index.js'

test('an unknown value becomes a RocketMQError by isRocketMQError', () => {
  const caught: unknown = new Error()
  if (isRocketMQError(caught)) expectTypeOf(caught).toEqualTypeOf<RocketMQError>()
})

test('instanceof leads to the fields of each class', () => {
  const caught: unknown = new Error()
  if (caught instanceof RemotingError) expectTypeOf(caught.address).toBeString()
  if (caught instanceof RemotingError) expectTypeOf(caught.sent).toBeBoolean()
  if (caught instanceof BrokerError) expectTypeOf(caught.responseCode).toBeNumber()
  if (caught instanceof BrokerError) expectTypeOf(caught.remark).toBeString()
  if (caught instanceof MessageError) expectTypeOf(caught.position).toEqualTypeOf<number | undefined>()
  if (caught instanceof ClientError) expectTypeOf(caught.code).toBeString()
})

test('every class is a RocketMQError and an Error', () => {
  expectTypeOf<ClientError | RemotingError | BrokerError | MessageError>().toExtend<RocketMQError>()
  expectTypeOf<RocketMQError>().toExtend<Error>()
  expectTypeOf<RocketMQError['retryable']>().toBeBoolean()
  expectTypeOf<RocketMQError['mayBeStored']>().toEqualTypeOf<boolean | undefined>()
  expectTypeOf<RocketMQError['attempts']>().toEqualTypeOf<readonly SendAttempt[] | undefined>()
})

test('response codes are literals', () => {
  expectTypeOf<(typeof ResponseCode)['SYSTEM_BUSY']>().toEqualTypeOf<2>()
})
