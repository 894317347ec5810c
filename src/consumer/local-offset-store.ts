import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { JsonEntries, type JsonValue, parseFastjson } from '../codec/fastjson.js'
import { MessageError, shown } from '../errors.js'
import type { MessageQueue } from '../message/message.js'
import { messageQueueKey } from '../message/message-queue.js'
import type { WaitOptions } from '../remoting/deadline.js'
import type { OffsetStore } from './offset-store.js'

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
  readonly #offsets = new Map<string, { queue: MessageQueue; offset: number }>()
  #isDirty = false
  #writing: Promise<void> = Promise.resolve()

  constructor(
    directory: string,
    clientId: string,
    consumerGroup: string,
    report: (error: unknown, what: string) => void,
  ) {
    this.#path = join(directory, fileName(clientId), fileName(consumerGroup), 'offsets.json')
    this.#report = report
  }

  /** Reads the file, or its backup when it is damaged. @throws {@link MessageError} when both are. */
  async load(): Promise<void> {
    let text: string | undefined
    try {
      text = await readIfThere(this.#path)
      this.#fill(text)
    } catch (error) {
      const backup = await readIfThere(`${this.#path}.bak`)
      if (backup === undefined) throw error
      this.#report(error, `the offset file ${this.#path} can't be read; its backup is used`)
      this.#fill(backup)
    }
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
    if (!this.#isDirty) return
    await this.#write().catch((error: unknown) => {
      this.#report(error, `the offset file ${this.#path} was not written; it is tried again`)
    })
  }

  #write(): Promise<void> {
    const write = this.#writing.then(() => this.#replaceFile())
    this.#writing = write.catch(() => undefined)
    return write
  }

  async #replaceFile(): Promise<void> {
    this.#isDirty = false
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
      const temporary = `${this.#path}.tmp`
      await writeFile(temporary, this.#text(), { mode: 0o600, flush: true })
      await rename(this.#path, `${this.#path}.bak`).catch(ignoreMissing)
      await rename(temporary, this.#path)
    } catch (error) {
      this.#isDirty = true
      throw error
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

  #fill(text: string | undefined): void {
    if (text === undefined) return
    const root = parseFastjson(text)
    const table = isRecord(root) ? root.offsetTable : undefined
    if (table instanceof JsonEntries) {
      for (const [key, offset] of table.entries) this.#add(key, offset)
    } else if (!isRecord(table) || Object.keys(table).length > 0) {
      throw this.#damaged('offsetTable', table)
    }
  }

  #add(key: JsonValue, offset: JsonValue): void {
    const { topic, brokerName, queueId } = isRecord(key) ? key : {}
    const isQueue = typeof topic === 'string' && typeof brokerName === 'string' && Number.isSafeInteger(queueId)
    if (!isQueue || typeof offset !== 'number' || !Number.isSafeInteger(offset))
      throw this.#damaged('an entry', [key, offset])
    const queue: MessageQueue = { topic, brokerName, queueId: Number(queueId) }
    this.#offsets.set(messageQueueKey(queue), { queue, offset })
  }

  #damaged(what: string, value: unknown): MessageError {
    return new MessageError(
      'JSON_MALFORMED',
      `${what} of the offset file ${this.#path} is ${shown(value)}; mend or remove the file`,
    )
  }
}

/** Names from options become one path element each, whatever they hold. */
function fileName(name: string): string {
  return name.replace(/[^\w@#%|-]/g, (c) => (c === '.' && name !== '.' && name !== '..' ? c : '_'))
}

function isRecord(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(ignoreMissing)
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
