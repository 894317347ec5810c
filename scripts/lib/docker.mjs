import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { root, run } from './run.mjs'

const ENGINE = path.join(root, 'scripts', 'docker-engine.sh')

/**
 * Calls `use` with the environment that leads to a Docker engine. One that was started for it is ended afterwards, also when this process is interrupted.
 *
 * @param {(env: Record<string, string>) => Promise<T>} use
 * @returns {Promise<T>}
 * @template T
 */
export async function withDockerEngine(use) {
  // The path of a socket is limited to about a hundred characters.
  const folder = mkdtempSync(path.join(tmpdir(), 'rocketmq-docker-'))
  const stop = () => {
    spawnSync(ENGINE, ['stop', folder], { stdio: 'inherit' })
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', stop)
  try {
    return await use(await start(folder))
  } finally {
    process.off('exit', stop)
    stop()
  }
}

async function start(folder) {
  let output = ''
  const keep = (text) => {
    output += text
  }
  const code = await run(ENGINE, [folder], { onOutput: keep })
  const [, address] = /^DOCKER_HOST=(\S+)$/m.exec(output) ?? []
  if (code !== 0 || address === undefined) throw new Error(`no Docker engine: ${ENGINE} ended with exit code ${code}`)
  return { DOCKER_HOST: address }
}
