import ipaddr from 'ipaddr.js'
import { DriverError } from '../errors'
import type { AddressPool, CreateNetworkRequest } from './api'
import type { NetworkOptions } from './options'
import { parseNetworkOptions } from './options'
import { shortId } from './names'
import type { EndpointRecord, NetworkRecord } from './records'
import { isHostAddressIn, plainAddress, realPools, subnetsOverlap } from './subnets'

/** RFC 8200 section 5: every link that carries IPv6 has an MTU of at least 1280 bytes. */
const IPV6_MINIMUM_MTU = 1280

/**
 * What a network shall be, apart from the name of its bridge. Pure; nothing has been touched yet.
 *
 * @throws DriverError where an option is unknown or not valid, or the options contradict the addresses.
 */
export function planNetwork(request: CreateNetworkRequest): NetworkOptions {
  const options = parseNetworkOptions(request.options)
  const hasIPv6 = realPools(request.ipv6).length > 0
  if (hasIPv6 && options.mtu !== undefined && options.mtu < IPV6_MINIMUM_MTU) {
    throw DriverError.of('MTU_TOO_SMALL_FOR_IPV6', [options.mtu])
  }
  if (options.mode !== 'flat') checkRoutedPools(options.mode, request)
  else if (options.gateway === 'auto' && !request.internal) {
    refuseSeveralGateways('IPv4', request.ipv4)
    refuseSeveralGateways('IPv6', request.ipv6)
  }
  return options
}

/** This host is the gateway, so it has an address in every subnet, and tells the subnets apart by their addresses. */
function checkRoutedPools(mode: string, { ipv4, ipv6 }: CreateNetworkRequest): void {
  const pools = realPools([...ipv4, ...ipv6])
  if (pools.length === 0) throw DriverError.of('SUBNETS_NEEDED', [mode])
  for (const { pool, gateway } of pools) {
    if (gateway === undefined) throw DriverError.of('GATEWAY_MISSING', [mode, pool])
    if (!isHostAddressIn(gateway, pool))
      throw DriverError.of('GATEWAY_OUTSIDE', [plainAddress(gateway), pool])
  }
  pools.forEach((pool, index) => {
    refuseOverlap(pool, pools.slice(index + 1), 'the same network')
  })
}

function refuseOverlap(pool: AddressPool, others: readonly AddressPool[], network: string): void {
  const other = others.find((candidate) => subnetsOverlap(candidate.pool, pool.pool))
  if (other !== undefined) throw DriverError.of('SUBNETS_OVERLAP', [pool.pool, other.pool, network])
}

/** @throws DriverError `SUBNETS_OVERLAP` where another network of this host's own routing has the addresses. */
export function refuseOverlapsWith(network: NetworkRecord, others: readonly NetworkRecord[]): void {
  if (!isRouted(network)) return
  for (const { id, ipv4, ipv6 } of others.filter(isRouted)) {
    for (const pool of realPools([...network.ipv4, ...network.ipv6])) {
      refuseOverlap(pool, realPools([...ipv4, ...ipv6]), `network ${shortId(id)}`)
    }
  }
}

/** Whether this host is the network's gateway. */
export function isRouted({ options }: NetworkRecord): boolean {
  return parseNetworkOptions(options).mode !== 'flat'
}

function refuseSeveralGateways(family: string, pools: readonly AddressPool[]): void {
  const gateways = pools.flatMap(({ gateway }) => gateway ?? []).map(plainAddress)
  if (gateways.length > 1) throw DriverError.of('MULTIPLE_GATEWAYS', [family, gateways])
}

export interface Gateways {
  readonly ipv4Gateway?: string
  readonly ipv6Gateway?: string
}

/**
 * The default routes that a container shall get: the network's gateway of each family, if the container's address lies
 * in the gateway's own subnet; the kernel refuses a next hop that is not on-link.
 */
export function gatewaysFor(network: NetworkRecord, endpoint: EndpointRecord): Gateways {
  if (network.internal || parseNetworkOptions(network.options).gateway === 'none') return {}
  const ipv4Gateway = gatewayInSubnetOf(endpoint.ipv4Address, network.ipv4)
  const ipv6Gateway = gatewayInSubnetOf(endpoint.ipv6Address, network.ipv6)
  return {
    ...(ipv4Gateway === undefined ? {} : { ipv4Gateway }),
    ...(ipv6Gateway === undefined ? {} : { ipv6Gateway }),
  }
}

function gatewayInSubnetOf(address: string | undefined, pools: readonly AddressPool[]): string | undefined {
  if (address === undefined) return undefined
  const [ip] = ipaddr.parseCIDR(address)
  const home = pools.find(({ pool }) => {
    const [subnet, length] = ipaddr.parseCIDR(pool)
    return subnet.kind() === ip.kind() && ip.match(subnet, length)
  })
  return home?.gateway === undefined ? undefined : plainAddress(home.gateway)
}
