import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { isRocketMQError } from '../../src/errors.js'
import { heldMemory } from '../codec/mutation.js'
import { watchPrototypes } from '../codec/pollution-canary.js'
import { badKinds, COSTS, type Given, hostileCluster, Malice } from '../support/hostile/hostile-cluster.js'
import {
  type Lane,
  type LaneCall,
  liteLane,
  producerLane,
  pullLane,
  pushLane,
  simpleLane,
  TIMEOUT,
  transactionLane,
} from '../support/hostile/lanes.js'
import { until } from '../support/until.js'

watchPrototypes()

const ANSWERS = Number(process.env.HOSTILE_ANSWERS ?? 50_000)
const SEED = Number(process.env.HOSTILE_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** A call is late long after its timeout only: the machine may be busy. */
const LATENESS = 20_000
const CHECK_DEADLINE = 30_000
/** What is held goes up to some mebibytes more with the connections and slabs of the moment; one kilobyte for each answer would be twice as much. */
const ALLOWED_GROWTH = 20 * 1024 * 1024
/** A remark is cut to 4 KiB, and may stand in the messages of an error and of the one around it. */
const MAX_MESSAGE = 16 * 1024

function within<T>(promise: Promise<T>, deadline: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} is not over after ${deadline} ms`)), deadline)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function told(given: readonly Given[]): string {
  const one = (each: Given) =>
    `answer ${each.number} to request ${each.code}: ${each.kind.name}, ${each.bytes.toString('hex').slice(0, 2_000)}`
  return given.slice(-4).map(one).join('\n')
}

/** Everything that a call may end in, with what was answered to it where it ends otherwise. */
async function make(lane: Lane, call: LaneCall, turn: number): Promise<void> {
  const { given } = lane.cluster
  given.length = 0
  const what = `${call.name} of ${lane.name}`
  let error: unknown
  try {
    await within(call.run(turn), TIMEOUT + LATENESS, what)
  } catch (cause) {
    error = cause ?? new Error('rejected with nothing')
  }
  const fail = (problem: string) =>
    new Error(`HOSTILE_SEED=${SEED}: ${what} ${problem}\n${told(given)}`, { cause: error })
  const [only] = given
  if (error === undefined) {
    const mustFail = given.length === 1 && only?.kind.effect !== 'open' && call.codes.includes(only?.code ?? Number.NaN)
    if (mustFail) throw fail('took a bad answer for a good one')
  } else if (!isRocketMQError(error)) throw fail(`ended in what is no error of this package: ${String(error)}`)
  else if (!/^[A-Z][\w-]+$/.test(error.code) || error.message.length > MAX_MESSAGE) throw fail(`ended in ${error.code}`)
}

async function storm(lanes: readonly Lane[], malice: Malice, end: number): Promise<void> {
  malice.isOn = true
  const drive = async (lane: Lane) => {
    for (let turn = 0; malice.total < end; turn++) {
      const call = lane.calls[turn % lane.calls.length]
      const before = malice.total
      if (call === undefined) lane.cluster.given.length = 0
      else await make(lane, call, turn)
      if (turn % 100 === 0) lane.cluster.forget()
      // A call that fails at once must not keep the sockets from their turn.
      await new Promise((resolve) => setTimeout(resolve, malice.total === before ? 2 : 0))
    }
  }
  await Promise.all(lanes.map(drive))
  malice.isOn = false
  for (const { cluster } of lanes) {
    cluster.reset()
    cluster.forget()
  }
}

/** A client may still be dialling with back-off, or at work on what it was told. */
async function recovered(lane: Lane): Promise<void> {
  let last: unknown
  const isWorking = () =>
    lane.check().then(
      () => true,
      (error: unknown) => {
        last = error
        return false
      },
    )
  const what = `HOSTILE_SEED=${SEED}: ${lane.name} does not work with good answers`
  await within(until(isWorking, CHECK_DEADLINE), 2 * CHECK_DEADLINE, what).catch((error: unknown) => {
    throw new Error(what, { cause: last ?? error })
  })
}

it(`${ANSWERS} bad answers of all kinds end no process, hang no call and take no memory; good ones are worth the same afterwards (HOSTILE_SEED=${SEED})`, async () => {
  const malice = new Malice(SEED)
  const folder = await mkdtemp(join(tmpdir(), 'hostile-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const crashes: unknown[] = []
  const onCrash = (error: unknown) => void crashes.push(error)
  process.on('unhandledRejection', onCrash).on('uncaughtException', onCrash)
  onTestFinished(() => void process.off('unhandledRejection', onCrash).off('uncaughtException', onCrash))
  const kinds = [
    producerLane,
    producerLane,
    transactionLane,
    pullLane,
    pullLane,
    pullLane,
    simpleLane,
    simpleLane,
    liteLane,
  ]
  const lanes = await Promise.all([
    ...[...kinds, ...kinds].map(async (lane) => lane(await hostileCluster(malice))),
    pushLane(await hostileCluster(malice), {}),
    pushLane(await hostileCluster(malice), { consumerGroup: 'orderly', consumeMode: 'orderly' }),
    pushLane(await hostileCluster(malice), { consumerGroup: 'pop', popMode: true }),
    pushLane(await hostileCluster(malice), {
      consumerGroup: 'broadcasting',
      messageModel: 'BROADCASTING',
      localOffsetStoreDir: folder,
    }),
  ])
  const held: number[] = []
  for (let part = 1; part <= 5; part++) {
    await storm(lanes, malice, (ANSWERS * part) / 5)
    await Promise.all(lanes.map(recovered))
    held.push(heldMemory())
  }
  expect(crashes).toEqual([])
  expect((held.at(-1) ?? 0) - (held[0] ?? 0), `HOSTILE_SEED=${SEED}`).toBeLessThan(ALLOWED_GROWTH)
  const rare = badKinds.filter(
    ({ name, isCostly }) => (malice.counts.get(name) ?? 0) * (isCostly ? COSTS : 1) < ANSWERS / badKinds.length / 10,
  )
  expect(rare.map(({ name }) => name)).toEqual([])
}, 600_000)
