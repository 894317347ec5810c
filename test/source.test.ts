import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { slowPart } from './support/slow-part.js'

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ts.createSourceFile(file, readFileSync(path.join('src', file), 'utf8'), ts.ScriptTarget.Latest, true))

/** Modules that run programs, or make code of text. */
const FORBIDDEN_MODULES = ['child_process', 'cluster', 'inspector', 'module', 'repl', 'vm', 'wasi', 'worker_threads']
/** What stands for them, and for a way around them, without an import. */
const FORBIDDEN_NAMES = ['WebAssembly', 'require', 'createRequire', 'binding', '_linkedBinding', 'dlopen', 'RegExp']
/** Makes regular expressions of text in which nothing means anything: their own test holds them to the rule below. */
const MAKES_REGULAR_EXPRESSIONS = ['codec/json-shape.ts']

describe('the source', () => {
  it('runs no program, loads no code while it runs and makes none of text', () => {
    expect(sources.flatMap((source) => found(source, codeLoader))).toEqual([])
  })

  it('has regular expressions whose time grows no faster than the text, for each text may come from a server', () => {
    expect(sources.flatMap((source) => found(source, slowRegularExpression))).toEqual([])
  })
})

describe('the rule for regular expressions', () => {
  it.each([
    '(a+)+$',
    '(a|b)*c',
    'a+$',
    '^a*a*b',
    '^.*x',
    '^(\\w+)\\d',
    '^\\s+ ',
    'x.*y',
    '^[^,]+.x',
    '^a{2,}a',
    '^(?:ab*)+',
    '^a*(?:b|a)c',
  ])('refuses %s', (pattern) => expect(slowPart(pattern)).toBeDefined())

  it.each([
    '^a+$',
    '^\\d+,\\d+$',
    '[^\\w-]',
    '^(\\S+) (\\S*) x',
    '^x.*$',
    'a{1,9}b',
    '^a+',
    '^([\\w-]+)(={0,2})$',
    '(?:a|b)?c',
  ])('takes %s', (pattern) => expect(slowPart(pattern)).toBeUndefined())
})

/** What the rule finds, by file. */
function found(source: ts.SourceFile, rule: (node: ts.Node) => string | undefined): string[] {
  const all: string[] = []
  const visit = (node: ts.Node): void => {
    const one = rule(node)
    if (one !== undefined) all.push(`${source.fileName}: ${one}`)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return all
}

function codeLoader(node: ts.Node): string | undefined {
  if (ts.isIdentifier(node) && FORBIDDEN_NAMES.includes(node.text)) return isAllowed(node) ? undefined : node.text
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return node.getText()
  const isModule = ts.isStringLiteral(node) && ts.isImportDeclaration(node.parent)
  return isModule && FORBIDDEN_MODULES.includes(node.text.replace('node:', '')) ? node.text : undefined
}

function isAllowed(node: ts.Identifier): boolean {
  return node.text === 'RegExp' && MAKES_REGULAR_EXPRESSIONS.includes(node.getSourceFile().fileName)
}

function slowRegularExpression(node: ts.Node): string | undefined {
  if (!ts.isRegularExpressionLiteral(node)) return undefined
  const { text } = node
  const part = slowPart(text.slice(1, text.lastIndexOf('/')))
  return part === undefined ? undefined : `${text} at ${part}`
}
