import ipaddr from 'ipaddr.js'

/** How the text of an option becomes its value; `undefined` where the text is not valid. */
export type Parse<T> = (text: string) => T | undefined

/** IFNAMSIZ is 16 with the terminating zero. */
const LINK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/

const RESERVED_NAMES = new Set(['ovs-system', 'ovs-netdev', 'lo', 'all', 'default'])

export const linkName: Parse<string> = (text) =>
  LINK_NAME.test(text) && !RESERVED_NAMES.has(text) ? text : undefined

export function integer(min: number, max: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN
    return value >= min && value <= max ? value : undefined
  }
}

export function oneOf<const T extends string>(...values: readonly T[]): Parse<T> {
  return (text) => values.find((value) => value === text)
}

export const boolean: Parse<boolean> = (text) => ({ true: true, '1': true, false: false, '0': false })[text]

/** A comma-separated list of at least one item, none of them twice. */
export function listOf<T>(item: Parse<T>): Parse<readonly T[]> {
  return (text) => {
    const items = text.split(',').map((part) => item(part.trim()))
    const valid = items.filter((value) => value !== undefined)
    const distinct = new Set(valid.map((value) => JSON.stringify(value)))
    return distinct.size === items.length ? valid : undefined
  }
}

/** In the shortest form, so that equal addresses are equal texts. */
export const ipAddress: Parse<string> = (text) => {
  const isFourPart = /^\d+(\.\d+){3}$/.test(text)
  return (isFourPart || text.includes(':')) && !text.includes('%') && ipaddr.isValid(text)
    ? ipaddr.parse(text).toString()
    : undefined
}

/** `<address>:<port>`, an IPv6 address in brackets, as Open vSwitch takes it. */
const socketAddress: Parse<string> = (text) => {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text) ?? []
  const address = ipAddress(bracketed ?? plain ?? '')
  const isFamily = address !== undefined && address.includes(':') === (bracketed !== undefined)
  if (!isFamily || integer(1, 65_535)(port ?? '') === undefined) return undefined
  return `${bracketed === undefined ? address : `[${address}]`}:${port ?? ''}`
}

/** Lower case; neither a group address nor all zeros. */
export const unicastMacAddress: Parse<string> = (text) => {
  const mac = text.toLowerCase()
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) || mac === '00:00:00:00:00:00') return undefined
  return Number.parseInt(mac.slice(0, 2), 16) % 2 === 0 ? mac : undefined
}

const vlanId = integer(1, 4094)

/** Ids and ranges, `10,20,30-39`: ascending, each once. */
export const vlanIds: Parse<readonly number[]> = (text) => {
  const ids = new Set<number>()
  for (const part of text.split(',')) {
    const [, from = '', to = from] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? []
    const [first, last] = [vlanId(from), vlanId(to)]
    if (first === undefined || last === undefined || first > last) return undefined
    for (let id = first; id <= last; id += 1) ids.add(id)
  }
  return [...ids].sort((a, b) => a - b)
}

const BOND_MODES = ['active-backup', 'balance-slb', 'balance-tcp'] as const

/** What leads out of the host: a NIC, or several as one. */
export interface Uplink {
  /** The port's name: the NIC's own, or one for the bond. */
  readonly name: string
  readonly links: readonly string[]
  readonly bondMode?: (typeof BOND_MODES)[number]
  /** The OpenFlow port number asked for. */
  readonly ofport?: number
  /** Access VLAN; absent: the uplink carries every VLAN. */
  readonly vlan?: number
}

/** `eth2`, `eth2/5`, `eth2/5/100`, `eth2//100`, `bond:eth2+eth3`, `bond:eth2+eth3/balance-slb`. */
export const uplink: Parse<Uplink> = (text) => {
  const [port = '', second, third, ...rest] = text.split('/')
  if (rest.length > 0) return undefined
  if (port.startsWith('bond:')) return third === undefined ? bond(port.slice(5), second) : undefined
  const name = linkName(port)
  const ofport = second === undefined || second === '' ? undefined : integer(1, 65_279)(second)
  const vlan = third === undefined ? undefined : vlanId(third)
  const isUnread =
    (second !== undefined && second !== '' && ofport === undefined) || (second === '' && third === undefined)
  if (name === undefined || isUnread || (third !== undefined && vlan === undefined)) return undefined
  return {
    name,
    links: [name],
    ...(ofport === undefined ? {} : { ofport }),
    ...(vlan === undefined ? {} : { vlan }),
  }
}

function bond(members: string, mode: string | undefined): Uplink | undefined {
  const links = members.split('+').map(linkName)
  const named = links.filter((link) => link !== undefined)
  const bondMode = mode === undefined ? 'active-backup' : oneOf(...BOND_MODES)(mode)
  const isSound = named.length === links.length && new Set(named).size === named.length && named.length > 1
  if (!isSound || bondMode === undefined) return undefined
  return { name: `bond-${named[0] ?? ''}`.slice(0, 15), links: named, bondMode }
}

/** Where samples go, and one packet in how many is one. */
export interface Collector {
  readonly targets: readonly string[]
  readonly rate?: number
}

/** `192.0.2.9:6343`, several with commas, and last a number after a slash. */
export const collector: Parse<Collector> = (text) => {
  const [list = '', number, ...rest] = text.split('/')
  const targets = listOf(socketAddress)(list)
  const rate = number === undefined ? undefined : integer(1, 65_535)(number)
  if (targets === undefined || rest.length > 0 || (number !== undefined && rate === undefined))
    return undefined
  return { targets, ...(rate === undefined ? {} : { rate }) }
}

/** `tcp:192.0.2.9`, `tcp:192.0.2.9:6653`, `ssl:[2001:db8::9]:6653`; without a port IANA's, 6653. */
export const controller: Parse<string> = (text) => {
  const [, method = '', rest = ''] = /^(tcp|ssl):(.+)$/.exec(text) ?? []
  const target = socketAddress(rest) ?? socketAddress(`${rest}:6653`)
  return target === undefined ? undefined : `${method}:${target}`
}

/** 16 hexadecimal digits, not all zero; a `0x` in front and missing leading zeros are allowed. */
export const datapathId: Parse<string> = (text) => {
  const [, digits] = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text) ?? []
  const id = digits?.toLowerCase().padStart(16, '0')
  return id === '0000000000000000' ? undefined : id
}
