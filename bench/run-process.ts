import { spawn } from 'node:child_process'
import path from 'node:path'
import { type Job, OUTCOME_MARK, type Outcome } from './clients/job.js'
import { compiledFile, ROOT } from './compile.js'
import type { ClientName } from './workloads.js'

/** After its own deadline a process gets this long to end before it is killed, in milliseconds. */
const GRACE = 1_000

/**
 * Runs one client in a process of its own.
 *
 * @param nodeOptions - More options of `node`.
 * @throws Error with what the process printed when it fails, or is killed because its time is over.
 */
export function runProcess(client: ClientName, job: Job, nodeOptions: readonly string[] = []): Promise<Outcome> {
  const program = compiledFile(path.join('bench', 'clients', `${client}.ts`))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeOptions, program, JSON.stringify(job)], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => {
        output += text
      })
    }
    const killer = setTimeout(() => child.kill('SIGKILL'), job.deadline + GRACE)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(killer)
      const line = output.split('\n').find((candidate) => candidate.startsWith(OUTCOME_MARK))
      if (code === 0 && line !== undefined) resolve(JSON.parse(line.slice(OUTCOME_MARK.length)) as Outcome)
      else reject(new Error(`${client} ended with ${signal ?? `exit code ${code}`}: ${output.slice(-2_000).trim()}`))
    })
  })
}
