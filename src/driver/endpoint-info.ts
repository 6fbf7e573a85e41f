import { DriverError } from '../errors'
import type { EndpointInfo } from './api'
import { isMirrorOutput, portOptionsOf } from './endpoint-options'
import { parseNetworkOptions } from './options'
import { describePort } from './publisher'
import type { EndpointRecord, NetworkRecord } from './records'
import type { ObservedPort } from './switch'
import { peersOf } from './tunnel'
import { uplinkLinks } from './uplinks'

/** All that the driver knows of an endpoint, for whoever asks Docker. Pure. */
export function describeEndpoint(
  record: EndpointRecord,
  network: NetworkRecord | undefined,
  port: ObservedPort | undefined,
): EndpointInfo {
  const { hostLink, macAddress, ipv4Address, ipv6Address, published, unpublishable } = record
  const facts: Readonly<Record<string, string | number | undefined>> = {
    port: hostLink,
    mac: macAddress,
    ipv4: ipv4Address,
    ipv6: ipv6Address,
    bridge: port?.bridge,
    ofport: port?.ofport,
    vlan: port?.vlan,
    ...(network === undefined ? {} : describeOptions(record, network)),
    ports: listed(published.map(describePort)),
    warning:
      unpublishable.length === 0 ? undefined : DriverError.of('PUBLISH_UNSUPPORTED', [unpublishable]).message,
  }
  return Object.fromEntries(
    Object.entries(facts).filter((fact): fact is [string, string | number] => fact[1] !== undefined),
  )
}

function describeOptions(
  record: EndpointRecord,
  network: NetworkRecord,
): Readonly<Record<string, string | number | undefined>> {
  const { trunks, vlanMode, ingressRate, ingressBurst, egressRate, security } = portOptionsOf(record, network)
  const { tunnel, vni, controllers } = parseNetworkOptions(network.options)
  return {
    trunks: listed(trunks ?? []),
    vlan_mode: vlanMode,
    ingress_rate: ingressRate,
    ingress_burst: ingressBurst,
    egress_rate: egressRate,
    security: security === true ? 'true' : undefined,
    mirror: isMirrorOutput(record) ? 'true' : undefined,
    uplinks: listed(uplinkLinks(network)),
    tunnel,
    vni,
    peers: listed(peersOf(network)),
    controllers: listed(controllers ?? []),
  }
}

function listed(items: readonly (string | number)[]): string | undefined {
  return items.length === 0 ? undefined : items.join(', ')
}
