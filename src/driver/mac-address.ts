import { createHash } from 'node:crypto'
import ipaddr from 'ipaddr.js'

/** What a MAC address may be derived from, best first. */
export interface MacAddressSource {
  readonly ipv4Address?: string
  readonly ipv6Address?: string
  readonly endpointId: string
}

/**
 * A locally administered unicast address that follows from the endpoint's IP address, so that a container that keeps
 * its address keeps its MAC although Docker gives it a new endpoint id at every start. IPv4 addresses map one to one
 * (`02:42` and the four octets, as Docker's own drivers do); others are hashed.
 */
export function deriveMacAddress(source: MacAddressSource): string {
  return [0x02, 0x42, ...lastFourOctets(source)].map((octet) => octet.toString(16).padStart(2, '0')).join(':')
}

/** A locally administered unicast address for the bridge that a network brings: no two hosts have it. */
export function bridgeMacAddress(networkId: string): string {
  const digest = createHash('sha256').update(`bridge ${networkId}`).digest()
  return [0x02, ...digest.subarray(0, 5)].map((octet) => octet.toString(16).padStart(2, '0')).join(':')
}

function lastFourOctets({ ipv4Address, ipv6Address, endpointId }: MacAddressSource): readonly number[] {
  if (ipv4Address !== undefined) return ipaddr.IPv4.parseCIDR(ipv4Address)[0].toByteArray()
  const text =
    ipv6Address === undefined ? endpointId : ipaddr.IPv6.parseCIDR(ipv6Address)[0].toNormalizedString()
  return [...createHash('sha256').update(text).digest().subarray(0, 4)]
}
