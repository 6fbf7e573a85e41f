import { DriverError } from '../../errors'
import { checkNetworkCombination, checkPortCombination } from './combinations'
import type { OptionSpec } from './specs'
import { ENDPOINT_SPECS, NETWORK_SPECS } from './specs'
import type { EndpointOptions, NetworkOptions, Specs, Values } from './types'

/** Keys of ours; whatever else Docker or another driver puts among the options is not for us to judge. */
const OUR_KEY = /^(ovs\.|net\.gopher\.ovs\.)/

/**
 * Parses a network's `-o` options; pure, and done before anything is touched.
 *
 * @throws DriverError `OPTION_UNKNOWN`, `OPTION_INVALID`, `OPTION_CONFLICT`, `OPTION_NEEDS` or `OPTION_EXCLUDES`, naming
 * key, value and what is allowed.
 */
export function parseNetworkOptions(options: Readonly<Record<string, string>>): NetworkOptions {
  const values = { mode: 'flat', gateway: 'auto', icc: true, ...read(options, NETWORK_SPECS) } as const
  checkNetworkCombination(values)
  return Object.freeze(values)
}

/** Parses an endpoint's driver options, as {@link parseNetworkOptions} does a network's. */
export function parseEndpointOptions(options: Readonly<Record<string, string>>): EndpointOptions {
  const values = read(options, ENDPOINT_SPECS)
  checkPortCombination(values)
  return Object.freeze(values)
}

function read<S extends Specs>(options: Readonly<Record<string, string>>, specs: S): Values<S> {
  refuseUnknown(options, Object.values(specs))
  const values = Object.entries(specs).flatMap(([name, spec]) => {
    const value = readOne(options, spec)
    return value === undefined ? [] : [[name, value] as const]
  })
  return Object.fromEntries(values) as Values<S>
}

function readOne<T>(options: Readonly<Record<string, string>>, spec: OptionSpec<T>): T | undefined {
  const given = [spec.key, ...spec.aliases].filter((key) => options[key] !== undefined)
  const key = given[0]
  if (key === undefined) return undefined
  const text = options[key] ?? ''
  for (const other of given.slice(1)) {
    if (options[other] !== text) {
      throw DriverError.of('OPTION_CONFLICT', [key, text, other, options[other] ?? ''])
    }
  }
  const value = spec.parse(text)
  if (value === undefined) throw DriverError.of('OPTION_INVALID', [key, text, spec.allowed])
  return value
}

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}

function refuseUnknown(
  options: Readonly<Record<string, string>>,
  specs: readonly OptionSpec<unknown>[],
): void {
  const isKnown = (key: string): boolean =>
    specs.some((spec) => spec.key === key || spec.aliases.includes(key))
  const unknown = Object.keys(options).find((key) => OUR_KEY.test(key) && !isKnown(key))
  if (unknown === undefined) return
  const near = specs
    .map(({ key }) => ({ key, edits: distance(unknown, key) }))
    .sort((a, b) => a.edits - b.edits)
    .find(({ edits }) => edits <= 3)
  const keys = specs.map(({ key }) => key)
  throw DriverError.of('OPTION_UNKNOWN', [unknown, near?.key, keys])
}
