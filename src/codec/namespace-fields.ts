import type { ByteWriter } from './byte-writer.js'
import { headerEntry, withJsonFields } from './header-entry.js'

/**
 * The header fields by which every request of a client names its namespace (v2).
 *
 * @see NamespaceRpcHook
 */
export class NamespaceFields {
  /** What a signature covers of them, in the order of their names. */
  readonly ns: string
  readonly nsd = 'true'
  readonly #binary: Buffer
  readonly #json: string

  constructor(namespace: string) {
    this.ns = namespace
    this.#binary = Buffer.concat([headerEntry('nsd', this.nsd), headerEntry('ns', namespace)])
    this.#json = `"nsd":"${this.nsd}","ns":${JSON.stringify(namespace)}`
  }

  writeRocketmq(writer: ByteWriter): void {
    writer.bytes(this.#binary)
  }

  /** The `extFields` object of a JSON header with these fields. */
  toJson(fields: string): string {
    return withJsonFields(fields, this.#json)
  }
}
