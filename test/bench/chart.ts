import type { Samples } from './measure'
import { median } from './measure'

const WIDTH = 760
const LABEL = 170
const BAR = 13
const GROUP = 2 * BAR + 16
const SCALE = WIDTH - LABEL - 90
const COLOURS = { ovs: '#1f77b4', bridge: '#b0b7bf' } as const

const ROWS = [
  ['netcreate', 'network create'],
  ['netremove', 'network rm'],
  ['connect', 'network connect'],
  ['disconnect', 'network disconnect'],
  ['first_ping', 'connect to first ping'],
  ['run', 'run --rm'],
] as const

/** Bars of what users of Docker wait for, with this driver and with Docker's own; an SVG document. Pure. */
export function chart(samples: readonly Samples[], release: string): string {
  const of = (name: string): number => {
    const found = samples.find((sample) => sample.name === `${name}_${release}`)
    return found === undefined ? 0 : median(found)
  }
  const longest = Math.max(1, ...ROWS.flatMap(([name]) => [of(`${name}_ovs`), of(`${name}_bridge`)]))
  const top = 58
  const bars = ROWS.map(([name, label], row) => {
    const y = top + row * GROUP
    const bar = (driver: keyof typeof COLOURS, offset: number): string => {
      const ms = of(`${name}_${driver}`)
      const length = Math.max(1, (ms / longest) * SCALE)
      return (
        `<rect x="${LABEL}" y="${y + offset}" width="${length.toFixed(1)}" height="${BAR}" fill="${COLOURS[driver]}"/>` +
        `<text x="${(LABEL + length + 6).toFixed(1)}" y="${y + offset + BAR - 3}" class="value">${ms.toFixed(0)} ms</text>`
      )
    }
    return `<text x="${LABEL - 10}" y="${y + BAR + 4}" text-anchor="end">${label}</text>${bar('ovs', 0)}${bar('bridge', BAR + 1)}`
  })
  const legend = (['ovs', 'bridge'] as const).map((driver, index) => {
    const x = LABEL + index * 170
    const name = driver === 'ovs' ? 'dovesnap/ovs' : 'Docker’s bridge driver'
    return `<rect x="${x}" y="32" width="${BAR}" height="${BAR}" fill="${COLOURS[driver]}"/><text x="${x + 19}" y="43">${name}</text>`
  })
  const height = top + ROWS.length * GROUP + 4
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">`,
    '<style>text{font:13px sans-serif;fill:#24292f}.value{font-size:11px}.title{font-weight:bold}</style>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="10" y="20" class="title">Median time with Docker ${release}, less is better</text>`,
    ...legend,
    ...bars,
    '</svg>',
    '',
  ].join('\n')
}
