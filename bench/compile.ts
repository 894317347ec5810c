import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** For everything that is made from sources of `bench`; git ignores it. */
export const BUILD_FOLDER = path.join(ROOT, 'bench', 'dist')

/** Where a measured program lies after {@link compileBench}, given its path below the root. */
export function compiledFile(source: string): string {
  return path.join(BUILD_FOLDER, source.replace(/\.ts$/, '.js'))
}

/**
 * Compiles `bench` and `src` to `bench/dist`, so that plain Node runs what is measured: a loader would change the code and add to its figures.
 * Types are left to the type check.
 */
export async function compileBench(): Promise<void> {
  await rm(BUILD_FOLDER, { recursive: true, force: true })
  const sources = [...(await typeScriptFiles('bench')), ...(await typeScriptFiles('src'))]
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
  for (const source of sources) {
    const { outputText } = ts.transpileModule(await readFile(path.join(ROOT, source), 'utf8'), { compilerOptions })
    const target = compiledFile(source)
    await mkdir(path.dirname(target), { recursive: true })
    await writeFile(target, outputText)
  }
}

async function typeScriptFiles(folder: string): Promise<string[]> {
  const entries = await readdir(path.join(ROOT, folder), { withFileTypes: true })
  const nested = entries.map(async (entry) => {
    const file = path.join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : typeScriptFiles(file)
    return entry.name.endsWith('.ts') ? [file] : []
  })
  return (await Promise.all(nested)).flat()
}
