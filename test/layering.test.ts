import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const LEAVES = ['message', 'errors', 'logger']
/** What the files of each folder of src, and the files beside those folders, may import besides their own folder. Types count as imports. */
const ARROWS: Record<string, readonly string[]> = {
  message: [],
  errors: [],
  logger: [],
  codec: LEAVES,
  remoting: [...LEAVES, 'codec'],
  route: [...LEAVES, 'codec', 'remoting'],
  client: [...LEAVES, 'codec', 'remoting', 'route'],
  producer: [...LEAVES, 'codec', 'remoting', 'route', 'client'],
  consumer: [...LEAVES, 'codec', 'remoting', 'route', 'client'],
  index: [...LEAVES, 'codec', 'remoting', 'route', 'client', 'producer', 'consumer'],
}

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
const sources = files.map((file) =>
  ts.createSourceFile(file, readFileSync(path.join('src', file), 'utf8'), ts.ScriptTarget.Latest, true),
)
const imports = new Map(sources.map((source) => [source.fileName, importsOf(source)]))

test('every import goes along an arrow of the layers', () => {
  const wrong = [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => layerOf(target) !== layerOf(file) && !ARROWS[layerOf(file)]?.includes(layerOf(target)))
      .map((target) => `${file} imports ${target}`),
  )
  expect(wrong).toEqual([])
  expect([...new Set(files.map(layerOf))].filter((layer) => !(layer in ARROWS))).toEqual([])
})

test('no files import each other in a circle', () => {
  const finished = new Set<string>()
  const visit = (file: string, trail: string[]): string[] => {
    if (trail.includes(file)) return [[...trail, file].join(' > ')]
    if (finished.has(file)) return []
    const circles = (imports.get(file) ?? []).flatMap((target) => visit(target, [...trail, file]))
    finished.add(file)
    return circles
  }
  expect(files.flatMap((file) => visit(file, []))).toEqual([])
})

test('no source file has the type any, evaluates text as code, or writes to the console', () => {
  expect(sources.flatMap(forbiddenIn)).toEqual([])
})

function importsOf(source: ts.SourceFile): string[] {
  return ts
    .preProcessFile(source.text, true, true)
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => path.join(path.dirname(source.fileName), fileName.replace(/\.js$/, '.ts')))
}

function layerOf(file: string): string {
  return file.split(path.sep)[0]?.replace(/\.ts$/, '') ?? ''
}

function forbiddenIn(source: ts.SourceFile): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    const isName = ts.isIdentifier(node) && ['eval', 'Function', 'console'].includes(node.text)
    if (isName || node.kind === ts.SyntaxKind.AnyKeyword) found.push(`${source.fileName}: ${node.parent.getText()}`)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}
