import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A connection of a client, and the one to the server behind it. */
class Link {
  readonly client: Socket
  readonly server: Socket
  isSwallowing = false
  /** Kept back on their way to the client. */
  held: Buffer[] | undefined

  constructor(client: Socket, server: Socket) {
    this.client = client
    this.server = server
    client.on('data', (chunk: Buffer) => this.#pass(chunk, server))
    server.on('data', (chunk: Buffer) => {
      if (this.held === undefined) this.#pass(chunk, client)
      else this.held.push(chunk)
    })
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => undefined)
      from.on('end', () => {
        if (!this.isSwallowing) to.end()
      })
      from.on('close', () => {
        if (!this.isSwallowing) to.destroy()
      })
    }
  }

  release(): void {
    for (const chunk of this.held ?? []) this.#pass(chunk, this.client)
    this.held = undefined
  }

  #pass(chunk: Buffer, to: Socket): void {
    if (!this.isSwallowing && !to.destroyed) to.write(chunk)
  }
}

/** TCP proxies in front of servers, one for each address, that can do to connections what networks do. */
export class FaultyNetwork {
  readonly #ports = new Map<string, number>()
  readonly #servers: Server[] = []
  readonly #links = new Set<Link>()

  /** For the client's option: leads every address that has a proxy to it. */
  readonly addressMap = (address: string): string => {
    const port = this.#ports.get(address)
    return port === undefined ? address : `127.0.0.1:${port}`
  }

  /** Connections that are open, swallowed ones included. */
  get connections(): number {
    return this.#links.size
  }

  /** Bytes on their way to clients that are kept back. */
  get heldBytes(): number {
    let sum = 0
    for (const { held = [] } of this.#links) for (const chunk of held) sum += chunk.length
    return sum
  }

  async add(address: string): Promise<void> {
    const colon = address.lastIndexOf(':')
    const target = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
    const server = createServer((client) => {
      const link = new Link(client, connect({ ...target, noDelay: true }))
      this.#links.add(link)
      client.once('close', () => this.#links.delete(link))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    this.#servers.push(server)
    this.#ports.set(address, (server.address() as AddressInfo).port)
  }

  /** Cuts every connection by a reset on both sides. */
  cut(): void {
    for (const { client, server } of this.#links) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }

  /** From now on the connections that are open swallow everything, both ways; new ones work. */
  swallow(): void {
    for (const link of this.#links) link.isSwallowing = true
  }

  /** Keeps back what servers send on the connections that are open, until {@link FaultyNetwork.release}. */
  hold(): void {
    for (const link of this.#links) link.held ??= []
  }

  release(): void {
    for (const link of this.#links) link.release()
  }

  close(): void {
    this.cut()
    for (const server of this.#servers) server.close()
  }
}

/** A network in front of servers, gone when the running test ends. */
export async function faultyNetwork(addresses: readonly string[]): Promise<FaultyNetwork> {
  const network = new FaultyNetwork()
  onTestFinished(() => network.close())
  for (const address of addresses) await network.add(address)
  return network
}
