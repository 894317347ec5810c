import { spawnSync } from 'node:child_process'
import path from 'node:path'

const OLDEST_JAVA = 17

/** Whether this machine has the Java and the Maven that the suites against JVMs of our own need. */
export function hasJavaAndMaven() {
  const { JAVA_HOME } = process.env
  const java = output(JAVA_HOME ? path.join(JAVA_HOME, 'bin', 'java') : 'java', '-version')
  const version = Number(/version "(?:1\.)?(\d+)/.exec(java ?? '')?.[1] ?? 0)
  return version >= OLDEST_JAVA && output('mvn', '-v') !== undefined
}

/** What a command prints; undefined when there is no such command or it fails. */
function output(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? stdout + stderr : undefined
}
