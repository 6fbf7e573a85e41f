import { parseNetworkOptions, uplinksOf } from './options'
import type { NetworkRecord } from './records'
import type { BridgePortSpec } from './switch'

/** The ports of the NICs and bonds that a network names. An operator may have put one on the bridge already. */
export function uplinkPorts(network: NetworkRecord): readonly BridgePortSpec[] {
  return uplinksOf(parseNetworkOptions(network.options)).map(({ name, links, bondMode, ofport, vlan }) => ({
    name,
    networkId: network.id,
    interfaces: links.map((link) => ({
      name: link,
      type: '',
      options: {},
      ...(ofport === undefined ? {} : { ofport }),
    })),
    ...(bondMode === undefined ? {} : { bondMode }),
    ...(vlan === undefined ? {} : { vlan }),
    isolated: false,
    mayBeOthers: true,
  }))
}

/** The links that a network's uplinks are made of. */
export function uplinkLinks(network: Pick<NetworkRecord, 'options'>): readonly string[] {
  return uplinksOf(parseNetworkOptions(network.options)).flatMap(({ links }) => links)
}

/** The NIC whose addresses a network moves to its bridge, if it does. */
export function movedLinks(network: Pick<NetworkRecord, 'options'>): readonly string[] {
  return parseNetworkOptions(network.options).moveIp === true ? uplinkLinks(network) : []
}
