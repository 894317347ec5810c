import type { Summary } from '../statistics.js'

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** Three digits where the value is small. */
export function short(value: number): string {
  if (value >= 100) return whole(value)
  return value.toFixed(value < 10 ? 2 : 1)
}

export function ratio(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(2)
}

export function spread({ min, max }: Summary, format: (value: number) => string): string {
  return `${format(min)}–${format(max)}`
}

/** A Markdown table; the first columns are texts and the rest numbers. */
export function table(header: readonly string[], texts: number, rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const rule = header.map((_, index) => (index < texts ? '---' : '---:'))
  return [line(header), line(rule), ...rows.map(line)].join('\n')
}
