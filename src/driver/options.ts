import { DriverError } from '../errors'

/** How an option's text becomes a value; `undefined` where the text is not valid. */
interface OptionSpec<T> {
  readonly key: string
  /** Other names people type for it: the ancestor's, Docker's own. */
  readonly aliases: readonly string[]
  readonly allowed: string
  readonly parse: (text: string) => T | undefined
}

type GatewayPolicy = 'auto' | 'none'

/**
 * `flat`: plain L2, the gateway is a router out there. `nat`, `routed`: this host is the gateway, with and without
 * masquerading.
 */
type NetworkMode = 'flat' | 'nat' | 'routed'

/** The parsed `-o` options of a network. */
export interface NetworkOptions {
  readonly mode: NetworkMode
  readonly bridgeName?: string
  /** Bytes. */
  readonly mtu?: number
  readonly vlan?: number
  /** True: datapath type `netdev`; false: the kernel's; absent: what the host can do. */
  readonly userspace?: boolean
  readonly gateway: GatewayPolicy
  /** Inter-container connectivity: false keeps the network's containers apart; each still reaches the gateway. */
  readonly icc: boolean
}

/** The parsed driver options of one container's endpoint. */
export interface EndpointOptions {
  readonly vlan?: number
}

/** IFNAMSIZ is 16 with the terminating zero. */
const LINK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/

const RESERVED_NAMES = new Set(['ovs-system', 'ovs-netdev', 'lo', 'all', 'default'])

function integer(min: number, max: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN
    return value >= min && value <= max ? value : undefined
  }
}

function oneOf<const T extends string>(...values: readonly T[]): (text: string) => T | undefined {
  return (text) => values.find((value) => value === text)
}

function boolean(text: string): boolean | undefined {
  return { true: true, '1': true, false: false, '0': false }[text]
}

const ancestor = (name: string): string => `net.gopher.ovs.bridge.${name}`

const mode = {
  key: 'ovs.bridge.mode',
  aliases: [ancestor('mode')],
  allowed: 'flat, nat or routed',
  parse: oneOf('flat', 'nat', 'routed'),
} satisfies OptionSpec<NetworkMode>

const bridgeName = {
  key: 'ovs.bridge.name',
  aliases: [ancestor('name'), 'com.docker.network.bridge.name'],
  allowed:
    'a link name of at most 15 bytes: letters, digits, dot, hyphen, underscore, a letter or digit first',
  parse: (text) => (LINK_NAME.test(text) && !RESERVED_NAMES.has(text) ? text : undefined),
} satisfies OptionSpec<string>

const mtu = {
  key: 'ovs.bridge.mtu',
  aliases: [ancestor('mtu'), 'com.docker.network.driver.mtu'],
  // RFC 791: every IPv4 link carries 68 bytes; the upper bound is veth's.
  allowed: 'a number of bytes from 68 to 65535',
  parse: integer(68, 65_535),
} satisfies OptionSpec<number>

const vlan = {
  key: 'ovs.bridge.vlan',
  aliases: [],
  allowed: 'a VLAN id from 1 to 4094',
  parse: integer(1, 4094),
} satisfies OptionSpec<number>

const userspace = {
  key: 'ovs.bridge.userspace',
  aliases: [],
  allowed: 'true or false',
  parse: boolean,
} satisfies OptionSpec<boolean>

const gateway = {
  key: 'ovs.bridge.gateway',
  aliases: [],
  allowed: 'auto or none',
  parse: oneOf('auto', 'none'),
} satisfies OptionSpec<GatewayPolicy>

const icc = {
  key: 'ovs.bridge.icc',
  aliases: ['com.docker.network.bridge.enable_icc'],
  allowed: 'true or false',
  parse: boolean,
} satisfies OptionSpec<boolean>

const NETWORK_SPECS = [mode, bridgeName, mtu, vlan, userspace, gateway, icc] as const
const ENDPOINT_SPECS = [vlan] as const

/** Keys of ours; whatever else Docker or another driver puts among the options is not for us to judge. */
const OUR_KEY = /^(ovs\.|net\.gopher\.ovs\.)/

function read<T>(options: Readonly<Record<string, string>>, spec: OptionSpec<T>): T | undefined {
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
  const known = specs.flatMap((spec) => [spec.key, ...spec.aliases])
  const unknown = Object.keys(options).find((key) => OUR_KEY.test(key) && !known.includes(key))
  if (unknown === undefined) return
  const near = specs
    .map(({ key }) => ({ key, edits: distance(unknown, key) }))
    .sort((a, b) => a.edits - b.edits)
    .find(({ edits }) => edits <= 3)
  const keys = specs.map(({ key }) => key)
  throw DriverError.of('OPTION_UNKNOWN', [unknown, near?.key, keys])
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

/** Without the keys whose value is `undefined`, for types that tell an absent key from an undefined one. */
function defined<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>
}

/**
 * Parses a network's `-o` options; pure, and done before anything is touched.
 *
 * @throws DriverError `OPTION_UNKNOWN`, `OPTION_INVALID` or `OPTION_CONFLICT`, naming key, value and what is allowed.
 */
export function parseNetworkOptions(options: Readonly<Record<string, string>>): NetworkOptions {
  refuseUnknown(options, NETWORK_SPECS)
  return Object.freeze({
    mode: read(options, mode) ?? 'flat',
    gateway: read(options, gateway) ?? 'auto',
    icc: read(options, icc) ?? true,
    ...defined({
      bridgeName: read(options, bridgeName),
      mtu: read(options, mtu),
      vlan: read(options, vlan),
      userspace: read(options, userspace),
    }),
  })
}

/** Parses an endpoint's driver options, as {@link parseNetworkOptions} does a network's. */
export function parseEndpointOptions(options: Readonly<Record<string, string>>): EndpointOptions {
  refuseUnknown(options, ENDPOINT_SPECS)
  return Object.freeze(defined({ vlan: read(options, vlan) }))
}
