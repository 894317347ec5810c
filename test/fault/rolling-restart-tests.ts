import { afterAll, beforeAll, expect, test } from 'vitest'
import { joinJava, joinNode, type MixedGroup, newMixedGroup } from '../support/mixed-group.js'
import { type Oracle, startOracle } from '../support/oracle.js'
import { printRestart, rollingRestart } from './rolling-restart.js'
import { twoMasters } from './two-masters.js'

/** On each of the two brokers. */
const QUEUES = 8
const HANDLER_TIME = 20

export interface RollingRestartSize {
  readonly shutdowns: number
  /** Of members of Java's client. */
  readonly javaShutdowns: number
  /** Of each test, in milliseconds. */
  readonly timeout: number
}

/** The tests of a rolling restart, in a short and a long form. */
export function testRollingRestart({ shutdowns, javaShutdowns, timeout }: RollingRestartSize): void {
  const servers = twoMasters()
  let oracle: Oracle
  beforeAll(async () => {
    oracle = await startOracle(servers.cluster.version)
  })
  afterAll(() => oracle?.stop())
  const newGroup = (): Promise<MixedGroup> => newMixedGroup(oracle, servers.cluster, QUEUES, HANDLER_TIME)

  test(
    `in a rolling restart of three members under load, ${shutdowns} of them leave and no message is lost; who leaves has no message repeated, and who joins no more than what was in flight on the queues that moved`,
    async () => {
      const restart = await rollingRestart(await newGroup(), joinNode, shutdowns)
      printRestart('this client', restart)
      expect(restart.lost).toEqual([])
      expect(restart.retries).toEqual([])
      expect(restart.unexcused).toEqual([])
      expect(restart.byLeaving).toEqual([])
      const changes = [...restart.leaves, ...restart.joins, ...restart.replacements]
      expect(changes.filter(({ duplicates, inFlight }) => duplicates > inFlight)).toEqual([])
    },
    timeout,
  )

  test(
    `in the same restart of members of Java's client, ${javaShutdowns} of them leave and no message is lost`,
    async () => {
      const restart = await rollingRestart(await newGroup(), joinJava, javaShutdowns)
      printRestart("Java's client", restart)
      expect(restart.lost).toEqual([])
      expect(restart.unexcused).toEqual([])
    },
    timeout,
  )
}
