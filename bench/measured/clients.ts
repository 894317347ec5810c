import path from 'node:path'
import { compiledFile } from '../compile.js'
import { type ClientName, REVISION } from '../workloads.js'
import type { ClientProcess } from './client-process.js'
import { buildGoClient } from './go-client.js'
import { buildJavaClient, JavaClient } from './java-client.js'
import { OneShot } from './one-shot.js'

/** Makes the programs of the clients that are asked for, each once; what can't be made has a reason instead. */
export class Clients {
  readonly #javaVersion: string
  readonly #built = new Map<ClientName, Promise<() => Promise<ClientProcess>>>()

  /** @param javaVersion - Of the Java client's jars. */
  constructor(javaVersion: string) {
    this.#javaVersion = javaVersion
  }

  /** @throws Error that says why there is no such client on this machine. */
  async open(client: ClientName): Promise<ClientProcess> {
    let built = this.#built.get(client)
    if (built === undefined) {
      built = this.#build(client)
      this.#built.set(client, built)
    }
    return (await built)()
  }

  async #build(client: ClientName): Promise<() => Promise<ClientProcess>> {
    if (client === 'java') {
      const command = await buildJavaClient(this.#javaVersion)
      return () => JavaClient.start(command)
    }
    if (client === 'go') {
      const binary = await buildGoClient()
      return async () => new OneShot(binary, false)
    }
    // An older build of this client is run by the same program.
    const name = client === REVISION ? 'rocketmq-remoting' : client
    const program = compiledFile(path.join('bench', 'clients', `${name}.ts`))
    return async () => new OneShot(program, true)
  }
}
