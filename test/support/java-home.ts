import path from 'node:path'
import { isMissingCommand, lastLines, runCommand } from './run-command.js'

const OLDEST_JAVA = 17
const INSTALL_JAVA = `install a JDK or JRE ${OLDEST_JAVA} or newer (Debian: apt-get install openjdk-17-jre-headless) or point JAVA_HOME at one`

/** Java or Maven is not installed, or too old. */
export class MissingTool extends Error {}

/** The `java` command: that of `JAVA_HOME` when it is set, else the one on the PATH. */
export function javaCommand(env: NodeJS.ProcessEnv = process.env): string {
  return env.JAVA_HOME ? path.join(env.JAVA_HOME, 'bin', 'java') : 'java'
}

/** The major version in what `java -version` prints, or undefined when it names none. */
export function parseJavaVersion(output: string): number | undefined {
  const match = /version "(?:1\.)?(\d+)/.exec(output)
  return match?.[1] === undefined ? undefined : Number(match[1])
}

/**
 * Finds a Java that can run the servers.
 *
 * @returns the command to start.
 * @throws {@link MissingTool} when there is none or it is older than 17; Error when it fails.
 */
export async function requireJava(): Promise<string> {
  const java = javaCommand()
  const result = await runCommand(java, ['-version']).catch((error: unknown) => {
    if (isMissingCommand(error)) throw new MissingTool(`Java not found (tried ${java}): ${INSTALL_JAVA}`)
    throw error
  })
  const version = parseJavaVersion(result.output)
  if (result.exitCode !== 0 || version === undefined) {
    throw new Error(`${java} -version failed with exit code ${result.exitCode}: ${lastLines(result.output, 5)}`)
  }
  if (version < OLDEST_JAVA) throw new MissingTool(`${java} is Java ${version}: ${INSTALL_JAVA}`)
  return java
}

/**
 * Makes sure that Maven can be started.
 *
 * @returns the command to start.
 * @throws {@link MissingTool} when there is none; Error when it fails.
 */
export async function requireMaven(): Promise<string> {
  const result = await runCommand('mvn', ['-v']).catch((error: unknown) => {
    if (isMissingCommand(error)) {
      throw new MissingTool('Maven not found (tried mvn): install Maven 3.6 or newer (Debian: apt-get install maven)')
    }
    throw error
  })
  if (result.exitCode !== 0) {
    throw new Error(`mvn -v failed with exit code ${result.exitCode}: ${lastLines(result.output, 5)}`)
  }
  return 'mvn'
}
