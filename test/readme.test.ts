import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const root = new URL('../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')

describe('the README', () => {
  it('links to files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, path]) => path ?? '')
    expect(links.length).toBeGreaterThan(20)
    expect(links.filter((path) => !existsSync(new URL(path, root)))).toEqual([])
  })

  it('has every example, and no other', () => {
    const examples = readdirSync(new URL('examples', root)).filter((name) => name.endsWith('.ts'))
    const listed = [...readme.matchAll(/\]\(examples\/([^)]+)\)/g)].map(([, name]) => name ?? '')
    expect(listed.toSorted()).toEqual(examples.toSorted())
  })

  it.each([
    ['producers', 20],
    ['consumers', 70],
  ])('shows a test for each feature of Java’s %s', (kind, least) => {
    const table = readme.split(`### What Java's ${kind} can`)[1] ?? ''
    const rows = (table.split('\n### ')[0] ?? '')
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2)
    expect(rows.length).toBeGreaterThan(least)
    expect(rows.filter((row) => !/\]\(test\/.*\.test\.ts\) \|$/.test(row))).toEqual([])
    expect(rows.filter((row) => row.split(/(?<!\\)\|/).length !== 5)).toEqual([])
    expect(rows.filter((row) => /\| (no|none|not)\b/i.test(row))).toEqual([])
  })

  it('names every error code', () => {
    const files = readdirSync(new URL('src', root), { recursive: true, encoding: 'utf8' })
    const sources = files
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(new URL(`src/${name}`, root)))
    const thrown = sources.join('\n').matchAll(/new (?:Client|Remoting|Message)Error\(\s*'([A-Z_]+)'/g)
    const codes = new Set([...thrown].map(([, code]) => code ?? ''))
    expect(codes.size).toBeGreaterThan(30)
    const [, errors = ''] = readme.split('## Errors')
    expect([...codes].filter((code) => !errors.includes(`\`${code}\``))).toEqual([])
  })

  it('names every option and every event', () => {
    const files = readdirSync(new URL('src', root), { recursive: true, encoding: 'utf8' })
    const read = (name: string) => readFileSync(new URL(`src/${name}`, root), 'utf8')
    const options = files.filter((name) =>
      /(^|\/)[a-z-]*(consumer|lite-pull|client|producer|member)-options\.ts$/.test(name),
    )
    const events = ['client/member.ts', ...files.filter((name) => name.endsWith('-events.ts'))]
    expect(options.length).toBeGreaterThan(6)
    expect(events.length).toBeGreaterThan(2)
    const names = new Set<string>()
    for (const name of options) {
      for (const [, body = ''] of read(name).matchAll(/export interface \w+Options\b[^{]*\{\n(.*?)\n\}/gs)) {
        for (const [, option = ''] of body.matchAll(/^ {2}(\w+)\??: /gm)) names.add(option)
      }
    }
    for (const name of events) {
      for (const [, body = ''] of read(name).matchAll(/export interface \w+Events\b[^{]*\{\n(.*?)\n\}/gs)) {
        for (const [, event = ''] of body.matchAll(/^ {2}(\w+): \[/gm)) names.add(event)
      }
    }
    expect(names.size).toBeGreaterThan(90)
    expect([...names].filter((name) => !new RegExp(`\`${name}[\`(\\s:]`).test(readme))).toEqual([])
  })
})
