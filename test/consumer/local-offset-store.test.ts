import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LocalOffsetStore } from '../../src/consumer/local-offset-store.js'
import { PullConsumer } from '../../src/consumer/pull-consumer.js'
import { RocketMQError } from '../../src/errors.js'
import { startedConsumer } from '../support/members-under-test.js'
import { activeResources, isNoMoreThan } from '../support/resources.js'
import { scriptedCluster } from '../support/scripted-cluster.js'
import { rejectionOf, turns, until } from '../support/until.js'

const queue = { topic: 'T', brokerName: 'broker-a', queueId: 0 }
const other = { topic: 'T', brokerName: 'broker-b', queueId: 3 }
const CLIENT_ID = '10.0.0.1@DEFAULT'

/** As the Java client writes it. */
const JAVA_FILE = `{
	"offsetTable":{{
			"brokerName":"broker-b",
			"queueId":3,
			"topic":"T"
		}:9007199254740991,{
			"brokerName":"broker-a",
			"queueId":0,
			"topic":"T"
		}:5
	}
}`

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'offsets-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

function storeIn(directory: string, group = 'c', clientId = CLIENT_ID) {
  const reports: string[] = []
  const store = new LocalOffsetStore(directory, clientId, group, (_error, what) => reports.push(what))
  return { store, reports, path: join(directory, clientId, group, 'offsets.json') }
}

const read = (store: LocalOffsetStore, of = queue) => store.read(of, {})

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

describe('LocalOffsetStore', () => {
  it('writes once what is committed together, however many queues', async () => {
    const { store, path } = storeIn(await folder())
    const queues = Array.from({ length: 20 }, (_, queueId) => ({ ...queue, queueId }))
    await Promise.all(queues.map((one) => store.commit(one, 1, {})))
    // A second write would have kept the first as a backup.
    expect(await readdir(dirname(path))).toEqual(['offsets.json'])
    expect((await readFile(path, 'utf8')).match(/"queueId"/g)).toHaveLength(20)
  })

  it('finds again what it wrote', async () => {
    const directory = await folder()
    const { store } = storeIn(directory)
    await store.load()
    expect(await read(store)).toBe(-1)
    store.update(queue, 7)
    await store.commit(other, Number.MAX_SAFE_INTEGER, {})
    const { store: again } = storeIn(directory)
    await again.load()
    expect([await read(again), await read(again, other)]).toEqual([7, Number.MAX_SAFE_INTEGER])
  })

  it('has stored everything when persist resolves, also what another call is writing', async () => {
    const { store, path } = storeIn(await folder())
    store.update(queue, 7)
    const first = store.persist()
    // By now the first call has begun.
    await Promise.resolve()
    await store.persist()
    expect(await readFile(path, 'utf8')).toContain('"topic":"T"}:7')
    await first
  })

  it('reads what the Java client wrote', async () => {
    const { store, path } = storeIn(await folder())
    await put(path, JAVA_FILE)
    await store.load()
    expect([await read(store), await read(store, other)]).toEqual([5, Number.MAX_SAFE_INTEGER])
  })

  it("writes what the Java client reads: objects for keys, members in Java's order", async () => {
    const { store, path } = storeIn(await folder())
    await store.load()
    await store.commit(queue, 5, {})
    expect((await readFile(path, 'utf8')).replace(/\s/g, '')).toBe(
      '{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:5}}',
    )
  })

  it('writes names with quotes and backslashes so that they come back', async () => {
    const directory = await folder()
    const strange = { topic: '%RETRY%a', brokerName: 'b"\\\n', queueId: 0 }
    const { store } = storeIn(directory)
    await store.load()
    await store.commit(strange, 5, {})
    const { store: again } = storeIn(directory)
    await again.load()
    expect(await read(again, strange)).toBe(5)
  })

  it('starts with nothing where there is no file', async () => {
    const { store, reports } = storeIn(await folder())
    await store.load()
    expect(await read(store)).toBe(-1)
    expect(reports).toEqual([])
  })

  it.each(['{"offsetTable":{}}', '{\n\t"offsetTable":{\n\t}\n}'])('reads an empty table: %j', async (text) => {
    const { store, path } = storeIn(await folder())
    await put(path, text)
    await store.load()
    expect(await read(store)).toBe(-1)
  })

  it('writes nothing when nothing was set', async () => {
    const directory = await folder()
    const { store } = storeIn(directory)
    await store.load()
    await store.persist()
    expect(await readdir(directory)).toEqual([])
    store.update(queue, 1)
    await store.persist()
    const { path } = storeIn(directory)
    const { mtimeNs } = await stat(path, { bigint: true })
    await store.persist()
    expect((await stat(path, { bigint: true })).mtimeNs).toBe(mtimeNs)
  })

  it('keeps the file before as a backup', async () => {
    const { store, path } = storeIn(await folder())
    await store.load()
    await store.commit(queue, 1, {})
    await store.commit(queue, 2, {})
    expect(await readFile(`${path}.bak`, 'utf8')).toContain('}:1')
    expect(await readFile(path, 'utf8')).toContain('}:2')
    expect((await readdir(dirname(path))).sort()).toEqual(['offsets.json', 'offsets.json.bak'])
  })

  it('holds all offsets of writes that were started at once', async () => {
    const directory = await folder()
    const { store } = storeIn(directory)
    await store.load()
    await Promise.all(Array.from({ length: 20 }, (_, queueId) => store.commit({ ...queue, queueId }, queueId * 10, {})))
    const { store: again } = storeIn(directory)
    await again.load()
    for (let queueId = 0; queueId < 20; queueId++) expect(await read(again, { ...queue, queueId })).toBe(queueId * 10)
  })

  it("makes files and folders that are the owner's alone", async () => {
    const { store, path } = storeIn(await folder())
    await store.load()
    await store.commit(queue, 1, {})
    await store.commit(queue, 2, {})
    for (const file of [path, `${path}.bak`]) expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o700)
  })

  it('does not write through a link that somebody laid in its way', async () => {
    const directory = await folder()
    const { store, path } = storeIn(directory)
    const victim = join(directory, 'victim')
    await writeFile(victim, 'untouched')
    await mkdir(dirname(path), { recursive: true })
    await symlink(victim, `${path}.tmp`)
    await symlink(victim, path)
    await store.commit(queue, 1, {})
    expect(await readFile(victim, 'utf8')).toBe('untouched')
    expect(await readFile(path, 'utf8')).toContain('}:1')
  })
})

const DAMAGED: [string, string][] = [
  ['is empty', ''],
  ['is torn', JAVA_FILE.slice(0, 90)],
  ['is garbage', '\u0000\u0001\u0002 not json'],
  ['is null', 'null'],
  ['has no table', '{}'],
  ['has a table that is text', '{"offsetTable":"x"}'],
  ['has a table with plain keys', '{"offsetTable":{"a":5}}'],
  ['has a queue without a topic', '{"offsetTable":{{"brokerName":"b","queueId":0}:5}}'],
  ['has a queue id that is text', '{"offsetTable":{{"brokerName":"b","queueId":"0","topic":"T"}:5}}'],
  ['has an offset that is text', '{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:"5"}}'],
  ['has an offset beyond 2^53', '{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:9007199254740993}}'],
]

describe('an offset file that', () => {
  it.each(DAMAGED)('%s is replaced by its backup, and that is reported', async (_what, text) => {
    const { store, path, reports } = storeIn(await folder())
    await put(path, text)
    await put(`${path}.bak`, JAVA_FILE)
    await store.load()
    expect(await read(store)).toBe(5)
    expect(reports).toEqual([expect.stringContaining('its backup is used')])
  })

  it.each(DAMAGED)(
    '%s is an error where there is no backup: no offset is thrown away silently',
    async (_what, text) => {
      const { store, path } = storeIn(await folder())
      await put(path, text)
      const error = await rejectionOf(store.load())
      expect(error).toBeInstanceOf(RocketMQError)
      expect(error.message).toContain(path)
      expect(await readFile(path, 'utf8')).toBe(text)
    },
  )

  it.each(DAMAGED)('%s is an error where the backup is too', async (_what, text) => {
    const { store, path } = storeIn(await folder())
    await put(path, text)
    await put(`${path}.bak`, text)
    expect(await rejectionOf(store.load())).toBeInstanceOf(RocketMQError)
  })

  it('is missing is replaced by its backup: the process died between the two steps of a write', async () => {
    const { store, path, reports } = storeIn(await folder())
    await put(`${path}.bak`, JAVA_FILE)
    await store.load()
    expect(await read(store)).toBe(5)
    expect(reports).toEqual([expect.stringContaining('its backup is used')])
  })

  it('is damaged half-way takes nothing from it: the backup alone counts', async () => {
    const { store, path } = storeIn(await folder())
    await put(path, '{"offsetTable":{{"brokerName":"broker-b","queueId":3,"topic":"T"}:9,{"brokerName":"x"}:1}}')
    await put(`${path}.bak`, '{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:5}}')
    await store.load()
    expect([await read(store), await read(store, other)]).toEqual([5, -1])
  })

  it('can not be read at all is an error that names it', async () => {
    const { store, path } = storeIn(await folder())
    await mkdir(path, { recursive: true })
    const error = await rejectionOf(store.load())
    expect(error).toBeInstanceOf(RocketMQError)
    expect(error.message).toContain(path)
  })
})

describe('a folder that can not be written to', () => {
  /** A file stands where the folder should be: nobody can write below it, whatever rights they have. */
  async function blocked() {
    const directory = join(await folder(), 'file')
    await writeFile(directory, '')
    return storeIn(directory)
  }

  it('makes a commit reject, naming the file', async () => {
    const { store, path } = await blocked()
    const error = await rejectionOf(store.commit(queue, 1, {}))
    expect(error).toBeInstanceOf(RocketMQError)
    expect(error.message).toContain(path)
    expect(error.cause).toMatchObject({ code: expect.stringMatching(/ENOTDIR|EEXIST/) })
  })

  it('is reported by persist, which tries again the next time', async () => {
    const { store, path, reports } = await blocked()
    store.update(queue, 1)
    await store.persist()
    await store.persist()
    expect(reports).toHaveLength(2)
    expect(reports[0]).toContain(path)
    expect(await read(store)).toBe(1)
    await rm(dirname(dirname(dirname(path))))
    await store.persist()
    expect(reports).toHaveLength(2)
    expect(await readFile(path, 'utf8')).toContain('}:1')
  })
})

describe('names in the path', () => {
  it.each([
    '..',
    '.',
    '../../../etc',
    'a/b',
    'a\\b',
    '/absolute',
    'a\u0000b',
    '%2e%2e%2f',
    '....//',
    'a:b',
    'CON',
    '~',
    ' ',
  ])('stay inside the folder: %j', async (name) => {
    const outer = await folder()
    const directory = join(outer, 'offsets')
    for (const { store } of [storeIn(directory, name), storeIn(directory, 'c', name)]) {
      await store.load()
      await store.commit(queue, 1, {})
    }
    expect(await readdir(outer)).toEqual(['offsets'])
    const files = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    expect(files).toHaveLength(2)
    // Each name is one element of the path, neither more nor less.
    for (const file of files) expect(relative(directory, file.parentPath).split('/')).toHaveLength(2)
  })

  it.each(['CON', 'nul', 'Aux.x', 'com1', 'LPT9.'])('are no device of Windows: %s', async (name) => {
    const directory = await folder()
    const { store } = storeIn(directory, name)
    await store.commit(queue, 1, {})
    expect(await readdir(join(directory, CLIENT_ID))).toEqual([`_${name}`])
  })

  it('lead different groups to different files', async () => {
    const directory = await folder()
    for (const [index, group] of ['a', 'b', '%RETRY%a', 'a|b', 'a-b'].entries()) {
      const { store } = storeIn(directory, group)
      await store.load()
      expect(await read(store)).toBe(-1)
      await store.commit(queue, index, {})
    }
  })
})

describe('a broadcasting consumer', () => {
  it('keeps its offsets in a file and tells no broker', async () => {
    const cluster = await scriptedCluster()
    const localOffsetStoreDir = await folder()
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir } as const
    const consumer = await startedConsumer(cluster, options)
    consumer.updateConsumeOffset(queue, 12)
    expect(await consumer.fetchConsumeOffset(queue)).toBe(12)
    await consumer.shutdown()
    expect(cluster.broker().server.requests.filter(({ code }) => code === 14 || code === 15)).toEqual([])
    const files = await readdir(localOffsetStoreDir, { recursive: true })
    expect(files.filter((file) => file.endsWith('offsets.json'))).toHaveLength(1)
  })

  it('goes on where it stopped when it is started again', async () => {
    const cluster = await scriptedCluster()
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir: await folder() } as const
    const first = await startedConsumer(cluster, options)
    await first.commitOffset(queue, 12)
    await first.shutdown()
    const second = await startedConsumer(cluster, options)
    expect(await second.fetchConsumeOffset(queue)).toBe(12)
    expect(second.clientId).not.toBe(first.clientId)
  })

  it('stores on its interval', async () => {
    const cluster = await scriptedCluster()
    const localOffsetStoreDir = await folder()
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir, persistConsumerOffsetInterval: 15 } as const
    const consumer = await startedConsumer(cluster, options)
    consumer.updateConsumeOffset(queue, 12)
    await until(async () =>
      (await readdir(localOffsetStoreDir, { recursive: true })).some((file) => file.endsWith('offsets.json')),
    )
  })

  it('does not start on a damaged file, leaves nothing running, and starts when the file was mended', async () => {
    const cluster = await scriptedCluster()
    const localOffsetStoreDir = await folder()
    const options = { messageModel: 'BROADCASTING', localOffsetStoreDir } as const
    const first = await startedConsumer(cluster, options)
    await first.commitOffset(queue, 12)
    await first.shutdown()
    const file = (await readdir(localOffsetStoreDir, { recursive: true })).find((name) => name.endsWith('offsets.json'))
    const path = join(localOffsetStoreDir, `${file}`)
    const good = await readFile(path, 'utf8')
    await writeFile(path, good.slice(0, 20))
    await turns()
    const before = activeResources()
    const consumer = new PullConsumer({ consumerGroup: 'c', namesrvAddr: cluster.namesrvAddr, ...options })
    onTestFinished(() => consumer.shutdown())
    const error = await rejectionOf(consumer.start())
    expect(error).toBeInstanceOf(RocketMQError)
    expect(error.message).toContain(path)
    await until(() => isNoMoreThan(before))
    await writeFile(path, good)
    await consumer.start()
    expect(await consumer.fetchConsumeOffset(queue)).toBe(12)
  })
})
