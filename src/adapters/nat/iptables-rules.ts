import type { FilteredNetwork, PublishedPort } from '../../driver/firewall'
import type { AddressFamily } from '../../driver/subnets'
import { familyOf, plainAddress } from '../../driver/subnets'
import type { TableName } from './ruleset'

/** A chain of ours as it shall be, its rules in the form in which iptables-save prints them. */
export interface DesiredChain {
  readonly table: TableName
  readonly name: string
  readonly rules: readonly string[]
  /** False: any order is right. A rule may stand there several times, as for a port that is published at two. */
  readonly isOrdered: boolean
}

/** All chains of ours begin with this, and no other chain does. */
export const CHAIN_PREFIX = 'DOVESNAP-'

/** What enters a network of ours: one jump for each, by the link that it leaves the host's stack by. */
const INTO = `${CHAIN_PREFIX}INTO`
/** What leaves a network of ours for elsewhere than another of them. */
const FROM = `${CHAIN_PREFIX}FROM`
const DNAT = `${CHAIN_PREFIX}DNAT`
const MASQUERADE = `${CHAIN_PREFIX}MASQ`

/** Docker's chain that drops whatever goes to any bridge of its own, kept current by itself (engines 17.06 to 28). */
export const DOCKER_ISOLATION = 'DOCKER-ISOLATION-STAGE-2'

/** A jump from a chain that is not ours. */
export interface DesiredJump {
  readonly table: TableName
  readonly chain: string
  readonly rule: string
  /** True: directly after the jump to DOCKER-USER, where a user's rules have had their say and Docker's have not. */
  readonly isEarly: boolean
}

const LOOPBACK = { ipv4: '127.0.0.0/8', ipv6: '::1/128' } as const
const WHOLE = { ipv4: '/32', ipv6: '/128' } as const

/** The jumps to our chains, in the order in which they shall stand. */
export function desiredJumps(family: AddressFamily): readonly DesiredJump[] {
  const toHost = '-m addrtype --dst-type LOCAL'
  return [
    { table: 'filter', chain: 'FORWARD', rule: `-j ${INTO}`, isEarly: true },
    { table: 'filter', chain: 'FORWARD', rule: `-j ${FROM}`, isEarly: true },
    { table: 'nat', chain: 'PREROUTING', rule: `${toHost} -j ${DNAT}`, isEarly: false },
    // Redirected from a loopback address, an answer would never find back: the relay serves those.
    { table: 'nat', chain: 'OUTPUT', rule: `! -d ${LOOPBACK[family]} ${toHost} -j ${DNAT}`, isEarly: false },
    { table: 'nat', chain: 'POSTROUTING', rule: `-j ${MASQUERADE}`, isEarly: false },
  ]
}

/** The chains that all networks share: nothing but a jump into each network's own. */
export function sharedChains(networks: readonly FilteredNetwork[]): readonly DesiredChain[] {
  const shared = (
    table: TableName,
    name: string,
    rule: (network: FilteredNetwork) => string,
  ): DesiredChain => ({
    table,
    name,
    rules: networks.map(rule),
    isOrdered: false,
  })
  return [
    shared('filter', INTO, ({ link, id }) => `-o ${link} -j ${networkChain('IN', id)}`),
    shared('filter', FROM, ({ link, id }) => `-i ${link} -j ${networkChain('OUT', id)}`),
    shared('nat', DNAT, ({ id }) => `-j ${networkChain('DNAT', id)}`),
    shared('nat', MASQUERADE, ({ id }) => `-j ${networkChain('MASQ', id)}`),
  ]
}

const NETWORK_CHAINS = ['IN', 'OUT', 'PUB', 'DNAT', 'MASQ'] as const

/** Chain names have at most 28 bytes; 48 bits of a random id do not collide. */
export function networkChain(kind: (typeof NETWORK_CHAINS)[number], networkId: string): string {
  return `${CHAIN_PREFIX}${kind}-${networkId.slice(0, 12)}`
}

export function networkChainNames(networkId: string): ReadonlySet<string> {
  return new Set(NETWORK_CHAINS.map((kind) => networkChain(kind, networkId)))
}

const ESTABLISHED = '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'
const PING = {
  ipv4: '-p icmp -m icmp --icmp-type 8 -j ACCEPT',
  ipv6: '-p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT',
} as const

/** A network's own chains in one address family. Pure. */
export function networkChains(
  network: FilteredNetwork,
  family: AddressFamily,
  hasDockerIsolation: boolean,
): readonly DesiredChain[] {
  const { id, link, internal, interContainer, masquerade } = network
  const published = internal
    ? []
    : network.published.filter(({ containerAddress }) => familyOf(containerAddress) === family)
  const into = [
    ...(internal ? [] : [ESTABLISHED]),
    ...(interContainer ? [`-i ${link} -j ACCEPT`] : []),
    ...(internal ? [] : [`-j ${networkChain('PUB', id)}`]),
    ...(internal || masquerade ? [] : [PING[family]]),
    '-j DROP',
  ]
  const from = internal
    ? ['-j DROP']
    : [ESTABLISHED, ...(hasDockerIsolation ? [`-j ${DOCKER_ISOLATION}`] : []), '-j ACCEPT']
  const sources = network.subnets.map(({ subnet }) => subnet).filter((subnet) => isOf(subnet, family))
  const masquerading = sources.flatMap((source) => [
    ...(masquerade && !internal ? [`-s ${source} ! -o ${link} -j MASQUERADE`] : []),
    // A container that reaches a neighbour through the host's address: the answer must come back through the host.
    `-s ${source} -o ${link} -m conntrack --ctstate DNAT -j MASQUERADE`,
  ])
  return [
    { table: 'filter', name: networkChain('PUB', id), rules: published.map(acceptRule), isOrdered: false },
    { table: 'filter', name: networkChain('IN', id), rules: into, isOrdered: true },
    { table: 'filter', name: networkChain('OUT', id), rules: from, isOrdered: true },
    { table: 'nat', name: networkChain('DNAT', id), rules: published.map(redirectRule), isOrdered: false },
    { table: 'nat', name: networkChain('MASQ', id), rules: masquerading, isOrdered: false },
  ]
}

/** Lets new connections to a published port in. */
export function acceptRule({ protocol, containerAddress, containerPort }: PublishedPort): string {
  return `-d ${whole(containerAddress)} -p ${protocol} -m ${protocol} --dport ${containerPort} -j ACCEPT`
}

/** Leads a port of the host to the container. */
export function redirectRule(port: PublishedPort): string {
  const { protocol, hostAddress, hostPort, containerAddress, containerPort } = port
  const to = hostAddress === undefined ? '' : `-d ${whole(hostAddress)} `
  const target = familyOf(containerAddress) === 'ipv6' ? `[${containerAddress}]` : containerAddress
  return `${to}-p ${protocol} -m ${protocol} --dport ${hostPort} -j DNAT --to-destination ${target}:${containerPort}`
}

function whole(address: string): string {
  return address + WHOLE[familyOf(address)]
}

/** Whether the network has addresses of the family. */
export function hasFamily({ subnets }: FilteredNetwork, family: AddressFamily): boolean {
  return subnets.some(({ subnet }) => isOf(subnet, family))
}

function isOf(cidr: string, family: AddressFamily): boolean {
  return familyOf(plainAddress(cidr)) === family
}
