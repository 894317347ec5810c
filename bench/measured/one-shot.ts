import { spawn } from 'node:child_process'
import path from 'node:path'
import { type Job, OUTCOME_MARK, type Outcome } from '../clients/job.js'
import { ROOT } from '../compile.js'
import { type ClientProcess, GRACE, OUTPUT_TAIL, type ProfileOptions } from './client-process.js'

/** A client that has a process of its own for each job, which it gets as its argument. */
export class OneShot implements ClientProcess {
  readonly #command: string
  readonly #args: readonly string[]
  readonly #isNode: boolean

  /** @param program - A file for Node, or a binary when `isNode` is false. */
  constructor(program: string, isNode: boolean) {
    this.#command = isNode ? process.execPath : program
    this.#args = isNode ? [program] : []
    this.#isNode = isNode
  }

  run(job: Job, profile: ProfileOptions): Promise<Outcome> {
    const options = this.#isNode ? profileArguments(profile) : []
    return new Promise((resolve, reject) => {
      const child = spawn(this.#command, [...options, ...this.#args, JSON.stringify(job)], {
        cwd: ROOT,
        env: { ...process.env, NODE_OPTIONS: '' },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let output = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8')
        stream.on('data', (text: string) => {
          output = (output + text).slice(-1024 * 1024)
        })
      }
      const killer = setTimeout(() => child.kill('SIGKILL'), job.deadline + GRACE)
      child.once('error', reject)
      child.once('close', (code, signal) => {
        clearTimeout(killer)
        const line = output.split('\n').find((candidate) => candidate.startsWith(OUTCOME_MARK))
        if (code === 0 && line !== undefined) resolve(JSON.parse(line.slice(OUTCOME_MARK.length)) as Outcome)
        else reject(new Error(`ended with ${signal ?? `exit code ${code}`}: ${output.slice(-OUTPUT_TAIL).trim()}`))
      })
    })
  }

  async close(): Promise<void> {}
}

function profileArguments({ cpu, heap, name }: ProfileOptions): string[] {
  const args: string[] = []
  if (cpu !== undefined)
    args.push('--cpu-prof', `--cpu-prof-dir=${path.resolve(cpu)}`, `--cpu-prof-name=${name}.cpuprofile`)
  if (heap !== undefined)
    args.push('--heap-prof', `--heap-prof-dir=${path.resolve(heap)}`, `--heap-prof-name=${name}.heapprofile`)
  return args
}
