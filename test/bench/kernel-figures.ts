import type { Samples } from './measure'
import { median } from './measure'
import type { Results } from './results'

/** One of the plugin's ways and others, by what is measured on each of them. */
export interface Comparison {
  readonly own: string
  readonly others: readonly string[]
  readonly rows: readonly Row[]
}

interface Row {
  readonly what: string
  readonly means: string
  readonly unit: Samples['unit']
  /** The number of samples of each way. */
  readonly count: number
  /** By the way. */
  readonly medians: ReadonlyMap<string, number>
}

/** Samples are named by what they are, the way, and for the engine's the release. */
type Wanted = readonly [what: string, means: string, suffix?: string]

const TRAFFIC: readonly Wanted[] = [
  ['tcp', 'TCP'],
  ['udp', 'datagrams of 64 bytes'],
  ['round_trip', 'a datagram there and back'],
]

const OUTSIDE: readonly Wanted[] = [
  ['tcp_nat', 'TCP to the outside'],
  ['udp_nat', 'datagrams to the outside'],
  ['round_trip_nat', 'a datagram to the outside and back'],
]

const ENGINE: readonly Wanted[] = [
  ['netcreate', 'docker network create', '_28.5'],
  ['netremove', 'docker network rm', '_28.5'],
  ['connect', 'docker network connect', '_28.5'],
  ['disconnect', 'docker network disconnect', '_28.5'],
  ['first_ping', 'connect until the first ping is answered', '_28.5'],
  ['run', 'docker run --rm', '_28.5'],
  ['run20', '20 of them at once', '_28.5'],
]

export const onOneHost = (results: Results): Comparison =>
  compare(results, 'ovs', ['bridge', 'macvlan', 'overlay'], [...TRAFFIC, ...OUTSIDE, ...ENGINE])

export const betweenHosts = (results: Results): Comparison =>
  compare(results, 'mesh', ['own_tunnel', 'swarm'], TRAFFIC)

function compare(
  { samples }: Results,
  own: string,
  others: readonly string[],
  wanted: readonly Wanted[],
): Comparison {
  const rows = wanted.flatMap(([what, means, suffix = '']): readonly Row[] => {
    const of = (way: string): Samples | undefined =>
      samples.find(({ name }) => name === `${what}_${way}${suffix}`)
    const mine = of(own)
    if (mine === undefined) return []
    const medians = [own, ...others].flatMap((way) => {
      const found = of(way)
      return found === undefined ? [] : [[way, median(found)] as const]
    })
    return [{ what, means, unit: mine.unit, count: mine.values.length, medians: new Map(medians) }]
  })
  return { own, others, rows }
}

/** Of the plugin's way to each other, by a name. */
export function ratiosOf({ own, others, rows }: Comparison): Readonly<Record<string, number>> {
  const ratios = rows.flatMap((row) =>
    others.flatMap((way) => {
      const ratio = ratioTo(own, way, row)
      return ratio === undefined ? [] : [[`${row.what}_${own}_vs_${way}`, ratio] as const]
    }),
  )
  return Object.fromEntries(ratios)
}

/** As Markdown. */
export function comparisonTable({ own, others, rows }: Comparison): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const shown = (value: number | undefined): string => (value === undefined ? '' : String(short(value)))
  const ways = [own, ...others]
  const numbers = [...ways, ...others, ''].map(() => '--:')
  return [
    line(['', 'unit', ...ways, ...others.map((way) => `${own} : ${way}`), 'samples']),
    line(['---', '---', ...numbers]),
    ...rows.map((row) =>
      line([
        row.means,
        row.unit,
        ...ways.map((way) => shown(row.medians.get(way))),
        ...others.map((way) => shown(ratioTo(own, way, row))),
        String(row.count),
      ]),
    ),
  ]
}

function ratioTo(own: string, way: string, { medians }: Row): number | undefined {
  const [mine, others] = [medians.get(own), medians.get(way)]
  return mine === undefined || others === undefined ? undefined : short(mine / others)
}

const short = (value: number): number => Number(value.toPrecision(3))
