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
  const values = { mode: 'flat', gateway: 'auto', icc: true, ...read(options, NETWORK_OPTIONS) } as const
  checkNetworkCombination(values)
  return Object.freeze(values)
}

/** Parses an endpoint's driver options, as {@link parseNetworkOptions} does a network's. */
export function parseEndpointOptions(options: Readonly<Record<string, string>>): EndpointOptions {
  const values = read(options, ENDPOINT_OPTIONS)
  checkPortCombination(values)
  return Object.freeze(values)
}

interface OptionTable<S extends Specs> {
  readonly specs: S
  /** By every key that users may type, aliases too. */
  readonly names: ReadonlyMap<string, keyof S & string>
}

const NETWORK_OPTIONS = tableOf(NETWORK_SPECS)
const ENDPOINT_OPTIONS = tableOf(ENDPOINT_SPECS)

function tableOf<S extends Specs>(specs: S): OptionTable<S> {
  const keys = Object.entries(specs).flatMap(([name, { key, aliases }]) =>
    [key, ...aliases].map((typed) => [typed, name] as const),
  )
  return { specs, names: new Map(keys) }
}

/** Costs as much as there is given: it is asked for every network and endpoint in each round. */
function read<S extends Specs>(
  options: Readonly<Record<string, string>>,
  { specs, names }: OptionTable<S>,
): Values<S> {
  const given = new Map<string, OptionSpec<unknown>>()
  for (const key of Object.keys(options)) {
    const name = names.get(key)
    const spec = name === undefined ? undefined : specs[name]
    if (name !== undefined && spec !== undefined) given.set(name, spec)
    else if (OUR_KEY.test(key)) throw unknownOption(key, Object.values(specs))
  }
  return Object.fromEntries([...given].map(([name, spec]) => [name, readOne(options, spec)])) as Values<S>
}

function readOne<T>(options: Readonly<Record<string, string>>, spec: OptionSpec<T>): T {
  const [key = spec.key, ...others] = [spec.key, ...spec.aliases].filter(
    (name) => options[name] !== undefined,
  )
  const text = options[key] ?? ''
  for (const other of others) {
    if (options[other] !== text) {
      throw DriverError.of('OPTION_CONFLICT', [key, text, other, options[other] ?? ''])
    }
  }
  const value = spec.parse(text)
  if (value === undefined) throw DriverError.of('OPTION_INVALID', [key, text, spec.allowed])
  return value
}

function unknownOption(unknown: string, specs: readonly OptionSpec<unknown>[]): DriverError {
  const near = specs
    .map(({ key }) => ({ key, edits: distance(unknown, key) }))
    .sort((a, b) => a.edits - b.edits)
    .find(({ edits }) => edits <= 3)
  const keys = specs.map(({ key }) => key)
  return DriverError.of('OPTION_UNKNOWN', [unknown, near?.key, keys])
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
