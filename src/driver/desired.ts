import type { VethPair } from './links'
import { ETHERNET_MTU } from './network'
import { parseEndpointOptions, parseNetworkOptions } from './options'
import type { EndpointRecord, NetworkRecord } from './records'
import type { ObservedBridge, PortSpec } from './switch'

/** The owner mark of an endpoint's links (`ifalias`). */
const LINK_OWNER_PREFIX = 'dovesnap:'

export function linkOwner(endpointId: string): string {
  return LINK_OWNER_PREFIX + endpointId
}

/** The endpoint that a link was made for, from its owner mark; `undefined` for links that are not ours. */
export function endpointOfOwner(owner: string | undefined): string | undefined {
  return owner?.startsWith(LINK_OWNER_PREFIX) === true ? owner.slice(LINK_OWNER_PREFIX.length) : undefined
}

/** What the host must look like for one endpoint. */
export interface DesiredEndpoint {
  readonly veth: VethPair
  readonly port: PortSpec
}

/**
 * Derives an endpoint's links and port from the records. Pure.
 *
 * @param userspaceSegmentation whether the userspace datapath takes frames with offloads left on.
 */
export function desiredEndpoint(
  endpoint: EndpointRecord,
  network: NetworkRecord,
  bridge: ObservedBridge,
  userspaceSegmentation: boolean,
): DesiredEndpoint {
  const options = parseNetworkOptions(network.options)
  const vlan = parseEndpointOptions(endpoint.options).vlan ?? options.vlan
  const userspace = bridge.datapath === 'netdev'
  return {
    veth: {
      hostLink: endpoint.hostLink,
      containerLink: endpoint.containerLink,
      mtu: options.mtu ?? bridge.mtu ?? ETHERNET_MTU,
      macAddress: endpoint.macAddress,
      owner: linkOwner(endpoint.id),
      transmitOffload: !userspace || userspaceSegmentation,
      bypassHostStack: userspace,
    },
    port: {
      name: endpoint.hostLink,
      bridge: network.bridge,
      endpointId: endpoint.id,
      macAddress: endpoint.macAddress,
      ...(vlan === undefined ? {} : { vlan }),
    },
  }
}
