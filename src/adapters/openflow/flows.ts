import { createHash } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import type { BridgeRules, PortGuard, SourceGuard } from '../../driver/flow-tables'

/** The first 16 bits of our flows' cookies. The rest tells a flow's text, so that cookies alone can be compared. */
const COOKIE_MARK = 'd05e'

export const COOKIE_MASK = `0x${COOKIE_MARK}000000000000/0xffff000000000000`

/** In table 0, above what a bridge usually has and below what somebody means to come first. */
const PRIORITY = {
  forbidden: 30_020,
  neighbours: 30_015,
  otherNeighbours: 30_012,
  allowed: 30_010,
  rest: 30_000,
} as const

export interface Flow {
  readonly cookie: string
  /** As ovs-ofctl reads it, with the cookie. */
  readonly text: string
}

/** On a bridge that forwards nothing by itself (`fail_mode=secure`): forward like a switch. Of the lowest priority. */
export const FORWARDING = flow('priority=0,actions=NORMAL')

/** All flows of ours on a bridge. Pure. */
export function bridgeFlows({ guards, forwards }: BridgeRules): readonly Flow[] {
  return [...(forwards ? [FORWARDING] : []), ...guards.flatMap(portFlows)]
}

/** The flows of one port. Pure. */
export function portFlows({ ofport, source, meter }: PortGuard): readonly Flow[] {
  const pass = meter === undefined ? 'NORMAL' : `meter:${ofport},NORMAL`
  const rule = (priority: number, match: string, actions: string): Flow =>
    flow(`priority=${priority},in_port=${ofport}${match === '' ? '' : `,${match}`},actions=${actions}`)
  if (source === undefined) return [rule(PRIORITY.rest, '', pass)]
  return [
    // What only servers and routers send: DHCP, DHCPv6, router advertisements and redirects.
    ...['udp,tp_src=67', 'udp6,tp_src=547', 'icmp6,icmp_type=134', 'icmp6,icmp_type=137'].map((match) =>
      rule(PRIORITY.forbidden, match, 'drop'),
    ),
    ...['icmp6,icmp_type=135', 'icmp6,icmp_type=136'].map((match) =>
      rule(PRIORITY.otherNeighbours, match, 'drop'),
    ),
    ...neighbourMatches(source).map((match) => rule(PRIORITY.neighbours, match, pass)),
    ...addressMatches(source).map((match) => rule(PRIORITY.allowed, match, pass)),
    rule(PRIORITY.rest, '', 'drop'),
  ]
}

/** RFC 4861: solicitations and advertisements carry a link-layer address of their own. */
function neighbourMatches(source: SourceGuard): readonly string[] {
  const { macAddress: mac } = source
  const noLinkLayerAddress = '00:00:00:00:00:00'
  return ipv6Sources(source).flatMap((address) => {
    const from = `dl_src=${mac},icmp6,ipv6_src=${address}`
    return [
      `dl_src=${mac},icmp6,icmp_type=136${address === ANY_IPV6 ? '' : `,nd_target=${address}`},nd_tll=${mac}`,
      `${from},icmp_type=135,nd_sll=${mac}`,
      `${from},icmp_type=135,nd_sll=${noLinkLayerAddress}`,
      // RFC 4862: whoever asks whether its address is free has none yet.
      `dl_src=${mac},icmp6,ipv6_src=::,icmp_type=135${address === ANY_IPV6 ? '' : `,nd_target=${address}`}`,
    ]
  })
}

function addressMatches(source: SourceGuard): readonly string[] {
  const { macAddress: mac, ipv4Address } = source
  const ipv4 = ipv4Address ?? (isAddressKnown(source) ? undefined : ANY_IPV4)
  return [
    // RFC 5227: a probe for an address that is not in use yet.
    `dl_src=${mac},arp,arp_op=1,arp_sha=${mac},arp_spa=0.0.0.0`,
    ...(ipv4 === undefined
      ? []
      : [`dl_src=${mac},arp,arp_sha=${mac},arp_spa=${ipv4}`, `dl_src=${mac},ip,nw_src=${ipv4}`]),
    // RFC 2131: a client without an address asks for one.
    `dl_src=${mac},udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67`,
    ...ipv6Sources(source).map((address) => `dl_src=${mac},ipv6,ipv6_src=${address}`),
    // RFC 3810: reports of multicast listeners may come before the first address.
    `dl_src=${mac},icmp6,ipv6_src=::,icmp_type=143`,
  ]
}

const ANY_IPV4 = '0.0.0.0/0'
const ANY_IPV6 = '::/0'

function isAddressKnown({ ipv4Address, ipv6Address }: SourceGuard): boolean {
  return ipv4Address !== undefined || ipv6Address !== undefined
}

function ipv6Sources(source: SourceGuard): readonly string[] {
  if (!isAddressKnown(source)) return [ANY_IPV6]
  const { ipv6Address } = source
  return [linkLocalAddress(source.macAddress), ...(ipv6Address === undefined ? [] : [ipv6Address])]
}

/** RFC 4291, appendix A: the address that Linux gives a link. */
function linkLocalAddress(macAddress: string): string {
  const [first = 0, ...octets] = macAddress.split(':').map((octet) => Number.parseInt(octet, 16))
  const interfaceId = [first ^ 0x02, ...octets.slice(0, 2), 0xff, 0xfe, ...octets.slice(2)]
  return new ipaddr.IPv6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...interfaceId]).toString()
}

function flow(rule: string): Flow {
  const digest = createHash('sha256').update(rule).digest('hex').slice(0, 12)
  const cookie = `0x${COOKIE_MARK}${digest}`
  return { cookie, text: `cookie=${cookie},table=0,${rule}` }
}
