import type { FilteredNetwork, PublishedPort } from '../../driver/firewall'
import type { AddressFamily } from '../../driver/subnets'
import { familyOf, plainAddress } from '../../driver/subnets'

/** A table that is nobody else's. */
export const TABLE = 'inet dovesnap'

/** A little before the usual ones (nft(8): filter 0, dstnat -100, srcnat 100), so that others see what we made of it. */
const PRIORITY = { filter: -5, dstnat: -105, srcnat: 95 } as const

const FAMILIES = {
  ipv4: { ip: 'ip', type: 'ipv4_addr', suffix: '4', loopback: '127.0.0.0/8', ping: 'icmp type echo-request' },
  ipv6: { ip: 'ip6', type: 'ipv6_addr', suffix: '6', loopback: '::1', ping: 'icmpv6 type echo-request' },
} as const

const BOTH = ['ipv4', 'ipv6'] as const

/** An element of a map or set of ours, as nft writes it. */
export interface Element {
  readonly container: string
  readonly text: string
}

/** The chains of a network begin so; the rest of their names is {@link shortOf} of its id. */
type NetworkChain = 'in' | 'out' | 'masq'

/** 48 bits of a random id do not collide. */
function shortOf(networkId: string): string {
  return networkId.slice(0, 12)
}

function chainOf(kind: NetworkChain, networkId: string): string {
  return `${kind}-${shortOf(networkId)}`
}

/** The set of a network's published ports, as its containers have them. */
function portSetOf(family: AddressFamily, networkId: string): string {
  return `ports${FAMILIES[family].suffix}-${shortOf(networkId)}`
}

/**
 * The table without any network: maps from links to networks' chains, and from ports of the host to
 * containers, so that a change of one costs nothing in the number of others. Loading it again changes nothing.
 */
export function baseCommands(): readonly string[] {
  const maps = BOTH.flatMap((family) => {
    const { type, suffix } = FAMILIES[family]
    return [
      `add map ${TABLE} any${suffix} { type inet_proto . inet_service : ${type} . inet_service; }`,
      `add map ${TABLE} named${suffix} { type ${type} . inet_proto . inet_service : ${type} . inet_service; }`,
    ]
  })
  const redirect = BOTH.flatMap((family) => {
    const { ip, suffix } = FAMILIES[family]
    return [
      `dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @named${suffix}`,
      `dnat ${ip} to meta l4proto . th dport map @any${suffix}`,
    ]
  })
  // Redirected from a loopback address, an answer would never find back: the relay serves those.
  const toHost = BOTH.map((family) => {
    const { ip, loopback } = FAMILIES[family]
    return `${ip} daddr != ${loopback} fib daddr type local jump to-containers`
  })
  return [
    `add table ${TABLE}`,
    `add map ${TABLE} into { type ifname : verdict; }`,
    `add map ${TABLE} from { type ifname : verdict; }`,
    ...maps,
    ...chain('to-containers', '', redirect),
    ...chain('forward', `type filter hook forward priority ${PRIORITY.filter}; policy accept;`, [
      'oifname vmap @into',
      'iifname vmap @from',
    ]),
    ...chain('prerouting', `type nat hook prerouting priority ${PRIORITY.dstnat}; policy accept;`, [
      'fib daddr type local jump to-containers',
    ]),
    ...chain('output', `type nat hook output priority ${PRIORITY.dstnat}; policy accept;`, toHost),
  ]
}

/** A network's chains and sets, emptied and filled again. Its elements in the shared maps come apart. */
export function networkCommands(network: FilteredNetwork): readonly string[] {
  const { id, link, subnets, internal, interContainer, masquerade } = network
  const established = 'ct state established,related accept'
  const sets = BOTH.flatMap((family) => {
    const set = portSetOf(family, id)
    return [
      `add set ${TABLE} ${set} { type ${FAMILIES[family].type} . inet_proto . inet_service; }`,
      `flush set ${TABLE} ${set}`,
    ]
  })
  const published = BOTH.map((family) => {
    const { ip } = FAMILIES[family]
    return `${ip} daddr . meta l4proto . th dport @${portSetOf(family, id)} accept`
  })
  const into = [
    ...(internal ? [] : [established]),
    ...(interContainer ? [`iifname "${link}" accept`] : []),
    ...(internal ? [] : published),
    ...(internal || masquerade ? [] : BOTH.map((family) => `${FAMILIES[family].ping} accept`)),
    'drop',
  ]
  return [
    ...sets,
    ...chain(chainOf('in', id), '', into),
    ...chain(chainOf('out', id), '', internal ? ['drop'] : ['accept']),
    // Hooked by itself, for a network is told by its subnets there: older kernels show no incoming link at this hook.
    ...chain(
      chainOf('masq', id),
      `type nat hook postrouting priority ${PRIORITY.srcnat}; policy accept;`,
      subnets.flatMap(({ subnet }) => {
        const source = `${FAMILIES[familyOf(plainAddress(subnet))].ip} saddr ${subnet}`
        return [
          ...(masquerade && !internal ? [`${source} oifname != "${link}" masquerade`] : []),
          // A container that reaches a neighbour through the host's address: the answer must come back through the host.
          `${source} oifname "${link}" ct status dnat masquerade`,
        ]
      }),
    ),
  ]
}

/** A network's elements in the shared maps. */
export function networkElements({ id, link }: FilteredNetwork): readonly Element[] {
  return [
    { container: 'into', text: `"${link}" : jump ${chainOf('in', id)}` },
    { container: 'from', text: `"${link}" : jump ${chainOf('out', id)}` },
  ]
}

/** The element that leads a port of the host to a container. */
export function redirectElement(port: PublishedPort): Element {
  const { protocol, hostAddress, hostPort, containerAddress, containerPort } = port
  const { suffix } = FAMILIES[familyOf(containerAddress)]
  const target = `${containerAddress} . ${containerPort}`
  return hostAddress === undefined
    ? { container: `any${suffix}`, text: `${protocol} . ${hostPort} : ${target}` }
    : { container: `named${suffix}`, text: `${hostAddress} . ${protocol} . ${hostPort} : ${target}` }
}

/** The element that lets new connections to a published port in. */
export function acceptElement(networkId: string, port: PublishedPort): Element {
  const { protocol, containerAddress, containerPort } = port
  return {
    container: portSetOf(familyOf(containerAddress), networkId),
    text: `${containerAddress} . ${protocol} . ${containerPort}`,
  }
}

export function elementCommands(verb: 'add' | 'delete', elements: readonly Element[]): readonly string[] {
  return elements.map(({ container, text }) => `${verb} element ${TABLE} ${container} { ${text} }`)
}

/** Makes the chain, or empties it, and fills it. */
function chain(name: string, hook: string, rules: readonly string[]): readonly string[] {
  return [
    `add chain ${TABLE} ${name}${hook === '' ? '' : ` { ${hook} }`}`,
    `flush chain ${TABLE} ${name}`,
    ...rules.map((rule) => `add rule ${TABLE} ${name} ${rule}`),
  ]
}
