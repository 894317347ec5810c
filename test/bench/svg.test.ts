import { describe, expect, it } from 'vitest'
import { barChart, lineChart } from '../../bench/report/svg.js'

const panel = (value: number, label = 'Java client') => ({
  title: 'messages/s',
  groups: [
    { label: '128 B', bars: [{ label, colour: '#4c8dd6', value, low: value / 2, high: value, text: `${value}` }] },
  ],
})

describe('a plot', () => {
  it('has colours for light and for dark pages', () => {
    const svg = barChart('Title', [panel(10)])
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg.match(/\.page \{ fill: (#\w+) \}/g)).toHaveLength(2)
  })

  it('gives the longest bar the whole width and the others their share', () => {
    const one = panel(50)
    const both = { ...one, groups: [...panel(100).groups, ...one.groups] }
    const widths = [...barChart('Title', [both]).matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    )
    expect(widths).toHaveLength(2)
    expect((widths[1] ?? 0) / (widths[0] ?? 0)).toBeCloseTo(0.5, 5)
  })

  it('escapes what it is given', () => {
    const svg = barChart('a < b & "c"', [panel(1, '<script>')])
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;')
    expect(svg).not.toContain('<script>')
  })

  it('of a line puts greater values higher, above the axis', () => {
    const point = (label: string, value: number) => ({ label, value, low: value, high: value, text: `${value}` })
    const svg = lineChart('Title', 'queues', 'CPU', '#e8590c', [point('1', 5), point('8', 10)])
    const heights = [...svg.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map(([, y]) => Number(y))
    expect(heights).toHaveLength(2)
    expect(heights[1]).toBeLessThan(heights[0] ?? 0)
  })

  it('stands values of nothing', () => {
    for (const svg of [barChart('Title', [panel(0)]), barChart('Title', []), lineChart('Title', 'x', 'y', '#000', [])])
      expect(svg).not.toMatch(/NaN|Infinity/)
  })
})
