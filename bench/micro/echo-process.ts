import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A server that answers at once, in a process of its own. */
export interface EchoProcess extends Disposable {
  readonly address: string
}

export async function startEchoProcess(): Promise<EchoProcess> {
  const server = spawn(process.execPath, [fileURLToPath(new URL('echo-server.js', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [port] = (await once(server.stdout, 'data')) as [Buffer]
  return {
    address: `127.0.0.1:${Number(port.toString())}`,
    [Symbol.dispose]: () => server.stdin.end(),
  }
}
