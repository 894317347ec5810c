import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/**
 * Runs a command in the repository and resolves with its exit code. Ctrl-C reaches the command first; this process ends after it.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {Record<string, string>} [options.env] - Added to this process's.
 * @param {(text: string) => void} [options.onOutput] - Is given what the command prints to standard output, which is shown all the same.
 * @param {(text: string) => void} [options.onText] - Is given what the command prints to both outputs, which is shown all the same.
 * @param {boolean} [options.isHeldBack] - What the command prints is shown when it has ended: for commands that run side by side.
 * @param {boolean} [options.handlesInterrupt] - Ctrl-C is a normal end of the command: its exit code counts.
 * @returns {Promise<number>}
 */
export function run(
  command,
  args,
  { cwd = root, env = {}, onOutput, onText, isHeldBack = false, handlesInterrupt = false } = {},
) {
  return new Promise((resolve, reject) => {
    const areBothRead = onText !== undefined || isHeldBack
    const isRead = onOutput !== undefined || areBothRead
    const stdio = ['inherit', isRead ? 'pipe' : 'inherit', areBothRead ? 'pipe' : 'inherit']
    let held = ''
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio })
    let interruptedBy
    const onInterrupt = (signal) => {
      interruptedBy = signal
      if (signal !== 'SIGINT') child.kill(signal)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onInterrupt)
    const done = () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, onInterrupt)
    }
    const show = (text, stream) => {
      onText?.(text)
      if (isHeldBack) held += text
      else stream.write(text)
    }
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      show(text, process.stdout)
      onOutput?.(text)
    })
    child.stderr?.setEncoding('utf8').on('data', (text) => show(text, process.stderr))
    child.on('error', (error) => {
      done()
      reject(error)
    })
    child.on('close', (code, signal) => {
      done()
      if (held !== '') process.stdout.write(held)
      if (interruptedBy !== undefined && !handlesInterrupt) process.exit(exitCodeOf(interruptedBy))
      resolve(code ?? exitCodeOf(signal))
    })
  })
}

/** Runs `npm`: the one that runs this script where there is one. */
export function runNpm(args, options) {
  const npm = process.env.npm_execpath
  return npm !== undefined && /\.[cm]?js$/.test(npm)
    ? run(process.execPath, [npm, ...args], options)
    : run('npm', args, options)
}

/** Runs the command of an installed package, without a shell and without a look-up. */
export function runInstalled(file, args, options) {
  return run(process.execPath, [path.join(root, 'node_modules', file), ...args], options)
}

function exitCodeOf(signal) {
  return 128 + (constants.signals[signal] ?? 0)
}
