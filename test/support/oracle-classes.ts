import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { cacheFolder } from './cache-folder.js'
import { ensureJars } from './jars.js'
import { requireJava } from './java-home.js'
import { isMissingCommand, lastLines, runCommand } from './run-command.js'

const SOURCES = path.join(import.meta.dirname, 'java')

/** The classes of the Java oracle and the jars they run with, as a class path. */
export interface OracleClasses {
  readonly java: string
  readonly classPath: string
}

/**
 * Compiles the Java oracle against the jars of one RocketMQ version, or finds it in the cache from an earlier run with the same sources.
 *
 * @throws Error when there is no JDK, or with what javac printed.
 */
export async function ensureOracleClasses(version: string): Promise<OracleClasses> {
  const java = await requireJava()
  const jars = path.join(await ensureJars(version), '*')
  const sources = await sourcesFor(version)
  const folder = path.join(cacheFolder(), 'oracle', `v${version}-${await fingerprint(sources)}`)
  if (!existsSync(folder)) await compile(sources, jars, folder)
  return { java, classPath: [folder, jars].join(path.delimiter) }
}

/** The golden bytes need classes that 4.x and early 5.x don't have. */
async function sourcesFor(version: string): Promise<string[]> {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const folders = major > 5 || (major === 5 && minor >= 3) ? [SOURCES, path.join(SOURCES, 'golden')] : [SOURCES]
  const sources: string[] = []
  for (const folder of folders) {
    for (const name of await readdir(folder)) if (name.endsWith('.java')) sources.push(path.join(folder, name))
  }
  return sources.sort()
}

async function fingerprint(sources: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const source of sources) hash.update(path.basename(source)).update(await readFile(source))
  return hash.digest('hex').slice(0, 12)
}

/** Compiles into a folder of its own and renames that, so that nobody ever sees half of the classes. */
async function compile(sources: readonly string[], jars: string, folder: string): Promise<void> {
  const javac = process.env.JAVA_HOME ? path.join(process.env.JAVA_HOME, 'bin', 'javac') : 'javac'
  await mkdir(path.dirname(folder), { recursive: true })
  const fresh = await mkdtemp(`${folder}-`)
  try {
    const args = ['-nowarn', '-encoding', 'UTF-8', '-cp', jars, '-d', fresh, ...sources]
    const result = await runCommand(javac, args).catch((error: unknown) => {
      if (isMissingCommand(error)) {
        throw new Error(
          `javac not found (tried ${javac}): install a JDK 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)`,
        )
      }
      throw error
    })
    if (result.exitCode !== 0)
      throw new Error(`the Java oracle does not compile with ${jars}:\n${lastLines(result.output, 40)}`)
    await rename(fresh, folder)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    // Another process may have been quicker.
    if (!existsSync(folder)) throw error
  }
}
