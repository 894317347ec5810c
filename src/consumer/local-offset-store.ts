import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { JsonEntries, type JsonValue, parseFastjson } from '../codec/fastjson.js'
import { isJsonObject } from '../codec/json-value.js'
import { ClientError, MessageError, shown } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import type { WaitOptions } from '../remoting/deadline.js'
import type { OffsetStore } from './offset-store.js'

/** What Windows takes for a device, in whatever folder and with whatever ending. */
const DEVICE_NAME = /^(con|prn|aux|nul|(com|lpt)\d)(\.|$)/i

/**
 * Offsets kept in a file of this host, in the form of Java's `offsets.json`, for broadcasting consumers.
 *
 * The file is replaced as a whole, and the one before is kept as `.bak`: a crash leaves one of them readable.
 *
 * @see LocalFileOffsetStore
 */
export class LocalOffsetStore implements OffsetStore {
  readonly #path: string
  readonly #report: (error: unknown, what: string) => void
  readonly #offsets = new Map<string, OffsetEntry>()
  #isDirty = false
  #writing: Promise<void> = Promise.resolve()
  /** One that waits for the one before it. */
  #nextWrite: Promise<void> | undefined

  constructor(
    directory: string,
    clientId: string,
    consumerGroup: string,
    report: (error: unknown, what: string) => void,
  ) {
    this.#path = join(directory, fileName(clientId), fileName(consumerGroup), 'offsets.json')
    this.#report = report
  }

  /**
   * Reads the file, or its backup when it is damaged or gone.
   *
   * @throws {@link MessageError} for a damaged file without a sound backup: no offset is thrown away silently.
   * @throws {@link ClientError} `OFFSET_FILE_FAILED` for one that can't be opened.
   */
  async load(): Promise<void> {
    let fault: unknown
    try {
      if (await this.#read(this.#path)) return
    } catch (error) {
      fault = error
    }
    const isRead = await this.#read(`${this.#path}.bak`).catch((error: unknown) => {
      throw fault ?? error
    })
    if (isRead)
      this.#report(
        fault ?? fileError('found', this.#path),
        `the offset file ${this.#path} can't be read; its backup is used`,
      )
    else if (fault !== undefined) throw fault
  }

  async read(queue: MessageQueue, _options: WaitOptions): Promise<number> {
    return this.#offsets.get(messageQueueKey(queue))?.offset ?? -1
  }

  update(queue: MessageQueue, offset: number): void {
    this.#offsets.set(messageQueueKey(queue), { queue, offset })
    this.#isDirty = true
  }

  async commit(queue: MessageQueue, offset: number, _options: WaitOptions): Promise<void> {
    this.update(queue, offset)
    await this.#write()
  }

  async persist(): Promise<void> {
    // What another call writes is not stored before that has ended.
    await this.#writing
    if (!this.#isDirty) return
    await this.#write().catch((error: unknown) => {
      this.#report(error, `the offset file ${this.#path} was not written; it is tried again`)
    })
  }

  /** Nobody else goes on with a queue of this file. */
  remove(): void {}

  /** One at a time. What comes before a write has begun is in it: queues that are given up together cost one. */
  #write(): Promise<void> {
    if (this.#nextWrite !== undefined) return this.#nextWrite
    const write = this.#writing.then(() => {
      this.#nextWrite = undefined
      return this.#replaceFile()
    })
    this.#nextWrite = write
    this.#writing = write.catch(() => undefined)
    return write
  }

  async #replaceFile(): Promise<void> {
    this.#isDirty = false
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      const temporary = `${this.#path}.tmp`
      // Made anew, so that nothing is written through a link that lies there, and with our mode.
      await rm(temporary, { force: true })
      await writeFile(temporary, this.#text(), { flag: 'wx', mode: 0o600, flush: true })
      await rename(this.#path, `${this.#path}.bak`).catch(ignoreMissing)
      await rename(temporary, this.#path)
    } catch (error) {
      this.#isDirty = true
      throw fileError('written', this.#path, error)
    }
  }

  /** Java's form: the keys of the table are objects, which is no JSON. */
  #text(): string {
    const rows = [...this.#offsets.values()].map(
      ({ queue, offset }) =>
        `{"brokerName":${JSON.stringify(queue.brokerName)},"queueId":${queue.queueId},"topic":${JSON.stringify(queue.topic)}}:${offset}`,
    )
    return `{\n\t"offsetTable":{${rows.join(',\n\t\t')}\n\t}\n}`
  }

  /** False when there is no such file. */
  async #read(path: string): Promise<boolean> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw fileError('read', path, error)
    })
    if (text === undefined) return false
    for (const entry of parseOffsets(text, path)) this.#offsets.set(messageQueueKey(entry.queue), entry)
    return true
  }
}

interface OffsetEntry {
  readonly queue: MessageQueue
  readonly offset: number
}

function parseOffsets(text: string, path: string): OffsetEntry[] {
  let root: JsonValue
  try {
    root = parseFastjson(text)
  } catch (cause) {
    throw damaged(path, cause instanceof Error ? cause.message : String(cause), cause)
  }
  const table = isJsonObject(root) ? root.offsetTable : undefined
  if (table instanceof JsonEntries) return table.entries.map(([key, offset]) => toEntry(key, offset, path))
  if (isJsonObject(table) && Object.keys(table).length === 0) return []
  throw damaged(path, `offsetTable is ${shown(table)}`)
}

function toEntry(key: JsonValue, offset: JsonValue, path: string): OffsetEntry {
  const { topic, brokerName, queueId } = isJsonObject(key) ? key : {}
  const isQueue = typeof topic === 'string' && typeof brokerName === 'string' && Number.isSafeInteger(queueId)
  if (!isQueue || typeof offset !== 'number' || !Number.isSafeInteger(offset))
    throw damaged(path, `an entry is ${shown([key, offset])}`)
  return { queue: { topic, brokerName, queueId: Number(queueId) }, offset }
}

function damaged(path: string, problem: string, cause?: unknown): MessageError {
  return new MessageError('JSON_MALFORMED', `the offset file ${path} is damaged: ${problem}; mend or remove it`, {
    cause,
  })
}

function fileError(what: 'found' | 'read' | 'written', path: string, cause?: unknown): ClientError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new ClientError('OFFSET_FILE_FAILED', `the offset file ${path} was not ${what}${why}`, {
    cause,
    retryable: true,
  })
}

/** Names from options become one path element each, whatever they hold. */
function fileName(name: string): string {
  const safe = name.replace(/[^\w@#%|-]/g, (c) => (c === '.' && name !== '.' && name !== '..' ? c : '_'))
  return DEVICE_NAME.test(safe) ? `_${safe}` : safe
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
