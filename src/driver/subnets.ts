import ipaddr from 'ipaddr.js'
import type { AddressPool } from './api'

/** Docker's null IPAM driver passes these pools, and no address to any endpoint. */
const NULL_POOLS = new Set(['0.0.0.0/0', '::/0'])

/** The pools that addresses come from. */
export function realPools(pools: readonly AddressPool[]): readonly AddressPool[] {
  return pools.filter(({ pool }) => !NULL_POOLS.has(pool))
}

/** `10.7.0.1` of `10.7.0.1/24`. */
export function plainAddress(cidr: string): string {
  return cidr.replace(/\/\d+$/, '')
}

/** Whether two subnets in CIDR form share addresses. */
export function subnetsOverlap(a: string, b: string): boolean {
  const [first, firstLength] = ipaddr.parseCIDR(a)
  const [second, secondLength] = ipaddr.parseCIDR(b)
  return first.kind() === second.kind() && first.match(second, Math.min(firstLength, secondLength))
}

/** Whether an address, in CIDR form, may be a host's in the subnet. */
export function isHostAddressIn(address: string, subnet: string): boolean {
  const [ip] = ipaddr.parseCIDR(address)
  const [base, length] = ipaddr.parseCIDR(subnet)
  if (ip.kind() !== base.kind() || !ip.match(base, length)) return false
  // RFC 3021: both addresses of a /31 are hosts'.
  if (ip.kind() === 'ipv6' || length >= 31) return true
  const reserved = [ipaddr.IPv4.networkAddressFromCIDR(subnet), ipaddr.IPv4.broadcastAddressFromCIDR(subnet)]
  return !reserved.some((taken) => taken.toString() === ip.toString())
}

export type AddressFamily = 'ipv4' | 'ipv6'

/** Of a plain address. */
export function familyOf(address: string): AddressFamily {
  return ipaddr.parse(address).kind()
}

export function isLoopback(address: string): boolean {
  return ipaddr.parse(address).range() === 'loopback'
}
