import { DriverError } from '../../errors'
import { familyOf, isLoopback } from '../subnets'
import { NETWORK_SPECS } from './specs'
import type { NetworkOptions, PortOptions } from './types'

/** A sentence on two options that cannot stand together. */
function excludes(option: keyof typeof NETWORK_SPECS, other: string, because: string): DriverError {
  return DriverError.of('OPTION_EXCLUDES', [NETWORK_SPECS[option].key, other, because])
}

function needs(option: keyof typeof NETWORK_SPECS, needed: string): DriverError {
  return DriverError.of('OPTION_NEEDS', [NETWORK_SPECS[option].key, needed])
}

/** @throws DriverError `OPTION_NEEDS` or `OPTION_EXCLUDES` for what makes no sense on one port. */
export function checkPortCombination(options: PortOptions): void {
  const { vlan, trunks, vlanMode, ingressRate, ingressBurst } = options
  if (ingressBurst !== undefined && ingressRate === undefined) {
    throw needs('ingressBurst', 'ovs.port.ingress_rate')
  }
  if (vlanMode === undefined && vlan !== undefined && trunks !== undefined) {
    throw needs('trunks', 'ovs.bridge.vlan_mode=native-tagged or native-untagged beside ovs.bridge.vlan')
  }
  if (vlanMode === 'trunk' && vlan !== undefined) {
    throw excludes(
      'vlan',
      'ovs.bridge.vlan_mode=trunk',
      'a trunk without a native VLAN has no VLAN of its own',
    )
  }
  if (vlanMode !== undefined && vlanMode !== 'trunk' && vlan === undefined) {
    throw needs('vlanMode', 'ovs.bridge.vlan')
  }
  if ((vlanMode === 'access' || vlanMode === 'dot1q-tunnel') && trunks !== undefined) {
    throw excludes('trunks', `ovs.bridge.vlan_mode=${vlanMode}`, 'such a port carries one VLAN')
  }
}

/** @throws DriverError `OPTION_NEEDS` or `OPTION_EXCLUDES` for what makes no sense on one network. */
export function checkNetworkCombination(options: NetworkOptions): void {
  checkPortCombination(options)
  checkTunnel(options)
  checkUplinks(options)
  if (options.stp === true && options.rstp === true) {
    throw excludes('stp', 'ovs.bridge.rstp', 'a bridge speaks one of them')
  }
}

function checkTunnel({ tunnel, peers, vni, tunnelPort, localIp }: NetworkOptions): void {
  if (tunnel === undefined) {
    const [stray] =
      Object.entries({ peers, vni, tunnelPort, localIp } as const).find(([, value]) => value !== undefined) ??
      []
    if (stray !== undefined) throw needs(stray as keyof typeof NETWORK_SPECS, 'ovs.bridge.tunnel')
    return
  }
  if (peers === undefined) throw needs('tunnel', 'ovs.bridge.peers')
  if (vni === undefined) throw needs('tunnel', 'ovs.bridge.vni, the same on every host')
  if (tunnel === 'gre' && tunnelPort !== undefined) {
    throw excludes('tunnelPort', 'ovs.bridge.tunnel=gre', 'GRE has no ports')
  }
  checkPeers(peers, localIp)
  // Open vSwitch takes such a peer, and the kernel drops every frame to it.
  const overIPv6 = tunnel === 'gre' ? peers.find((peer) => familyOf(peer) === 'ipv6') : undefined
  if (overIPv6 !== undefined) {
    throw excludes(
      'peers',
      'ovs.bridge.tunnel=gre',
      `it goes over IPv4, and ${overIPv6} is none: vxlan and geneve go over both`,
    )
  }
}

/** They are reached from one address. */
function checkPeers(peers: readonly string[], localIp: string | undefined): void {
  if (localIp !== undefined && peers.includes(localIp)) {
    throw excludes('peers', `ovs.bridge.local_ip=${localIp}`, 'a host is no peer of itself')
  }
  const loopback = peers.find(isLoopback)
  if (loopback !== undefined) throw excludes('peers', loopback, 'that is this host itself')
  const families = new Set([...peers, ...(localIp === undefined ? [] : [localIp])].map(familyOf))
  if (families.size > 1) {
    throw DriverError.of('OPTION_INVALID', [
      NETWORK_SPECS.peers.key,
      peers.join(','),
      'addresses of one family, which is that of ovs.bridge.local_ip',
    ])
  }
}

function checkUplinks(options: NetworkOptions): void {
  const uplinks = uplinksOf(options)
  const links = uplinks.flatMap((uplink) => uplink.links)
  const twice = links.find((link, index) => links.indexOf(link) !== index)
  if (twice !== undefined) {
    throw DriverError.of('OPTION_INVALID', [NETWORK_SPECS.addPorts.key, twice, 'each NIC once'])
  }
  const [uplink, ...others] = uplinks
  if (options.moveIp !== true) return
  if (uplink === undefined) throw needs('moveIp', 'ovs.bridge.bind_interface')
  if (others.length > 0 || uplink.links.length > 1) {
    throw excludes(
      'moveIp',
      'several NICs',
      "it moves one NIC's addresses: name one with ovs.bridge.bind_interface",
    )
  }
  if (options.mode !== 'flat') {
    throw excludes(
      'moveIp',
      `ovs.bridge.mode=${options.mode}`,
      "the bridge's local port is the network's gateway there",
    )
  }
}

/** All that leads out of the host, in the order given. */
export function uplinksOf({
  bindInterface,
  addPorts = [],
}: NetworkOptions): NonNullable<NetworkOptions['addPorts']> {
  return [...(bindInterface === undefined ? [] : [bindInterface]), ...addPorts]
}
