/** Writes plots as SVG text: no package, no script, readable on light and dark pages. */

const WIDTH = 760
const LABEL_WIDTH = 185
const VALUE_WIDTH = 110
const BAR = 14
const GAP = 4
const GROUP_GAP = 12
const TITLE_HEIGHT = 34
const PANEL_TITLE_HEIGHT = 30

/** The page's colours follow the reader's; those of the bars stand out on both. */
const STYLE = `
.page { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e } .line { stroke: #d1d9e0 } .whisker { stroke: #1f2328 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } .text { fill: #f0f6fc } .faint { fill: #9198a1 } .line { stroke: #3d444d } .whisker { stroke: #f0f6fc }
}
text { font: 12px system-ui, -apple-system, sans-serif } .title { font-size: 15px; font-weight: 600 } .panel { font-weight: 600 }
`

export interface Bar {
  readonly label: string
  readonly colour: string
  readonly value: number
  readonly low: number
  readonly high: number
  /** The value as it is shown. */
  readonly text: string
}

export interface BarGroup {
  readonly label: string
  readonly bars: readonly Bar[]
}

export interface BarPanel {
  readonly title: string
  readonly groups: readonly BarGroup[]
}

/** Bars of several figures, one panel below the other; whiskers show the spread. */
export function barChart(title: string, panels: readonly BarPanel[]): string {
  let y = TITLE_HEIGHT
  const parts: string[] = []
  for (const panel of panels) {
    parts.push(text(12, y + 18, panel.title, 'text panel'))
    y += PANEL_TITLE_HEIGHT
    const most = Math.max(...panel.groups.flatMap(({ bars }) => bars.map(({ high }) => high)))
    const scale = most > 0 ? (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / most : 0
    for (const group of panel.groups) {
      parts.push(text(12, y + 11, group.label, 'faint'))
      for (const bar of group.bars) {
        parts.push(drawBar(bar, y, scale))
        y += BAR + GAP
      }
      y += GROUP_GAP
    }
  }
  return document(title, y + 4, parts)
}

function drawBar({ label, colour, value, low, high, text: shown }: Bar, y: number, scale: number): string {
  const middle = y + BAR / 2
  const [from, to] = [LABEL_WIDTH + low * scale, LABEL_WIDTH + high * scale]
  return [
    text(LABEL_WIDTH - 8, y + 11, label, 'text', 'end'),
    `<rect x="${LABEL_WIDTH}" y="${y}" width="${round(value * scale)}" height="${BAR}" rx="2" fill="${colour}"/>`,
    `<line class="whisker" x1="${round(from)}" y1="${middle}" x2="${round(to)}" y2="${middle}"/>`,
    text(Math.max(to, LABEL_WIDTH + value * scale) + 6, y + 11, shown, 'text'),
  ].join('\n')
}

export interface Point {
  readonly label: string
  readonly value: number
  readonly low: number
  readonly high: number
  readonly text: string
}

const PLOT_HEIGHT = 200
const PLOT_LEFT = 60
const PLOT_RIGHT = 40

/** One line over evenly spaced points, from 0 up; whiskers show the spread. */
export function lineChart(
  title: string,
  xTitle: string,
  yTitle: string,
  colour: string,
  points: readonly Point[],
): string {
  const top = TITLE_HEIGHT + 24
  const bottom = top + PLOT_HEIGHT
  const most = Math.max(...points.map(({ high }) => high), Number.MIN_VALUE) * 1.15
  const x = (index: number): number =>
    PLOT_LEFT + ((index + 0.5) * (WIDTH - PLOT_LEFT - PLOT_RIGHT)) / Math.max(1, points.length)
  const y = (value: number): number => bottom - (value / most) * PLOT_HEIGHT
  const parts = [
    text(12, TITLE_HEIGHT + 10, yTitle, 'faint'),
    `<line class="line" x1="${PLOT_LEFT}" y1="${bottom}" x2="${WIDTH - PLOT_RIGHT}" y2="${bottom}"/>`,
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map(({ value }, index) => `${round(x(index))},${round(y(value))}`).join(' ')}"/>`,
  ]
  for (const [index, point] of points.entries()) {
    const at = round(x(index))
    parts.push(
      `<line class="whisker" x1="${at}" y1="${round(y(point.low))}" x2="${at}" y2="${round(y(point.high))}"/>`,
      `<circle cx="${at}" cy="${round(y(point.value))}" r="4" fill="${colour}"/>`,
      text(at, y(point.high) - 8, point.text, 'text', 'middle'),
      text(at, bottom + 18, point.label, 'faint', 'middle'),
    )
  }
  parts.push(text(WIDTH / 2, bottom + 38, xTitle, 'faint', 'middle'))
  return document(title, bottom + 50, parts)
}

function document(title: string, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeXml(title)}">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    text(12, 23, title, 'text title'),
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function text(x: number, y: number, content: string, className: string, anchor = 'start'): string {
  return `<text class="${className}" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escapeXml(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
