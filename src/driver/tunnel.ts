import { createHash } from 'node:crypto'
import type { NetworkOptions } from './options'
import { parseNetworkOptions } from './options'
import type { NetworkRecord } from './records'
import { familyOf } from './subnets'
import type { BridgePortSpec, InterfaceSpec } from './switch'
import type { VxlanDevice } from './underlay-links'

/** IANA's port of VXLAN (RFC 7348); Linux's own default is another. */
const VXLAN_PORT = 4789

/** The owner mark (`ifalias`) of a link that was made for a network. */
const NETWORK_OWNER_PREFIX = 'dovesnap-network:'

/**
 * Bytes that a tunnel adds to a packet: the inner Ethernet header (14), the tunnel's own (VXLAN and Geneve 8 after UDP's
 * 8; GRE 4 and its key 4), and the outer IP header (20 or 40).
 */
const ENCAPSULATION = { vxlan: 30, geneve: 30, gre: 22 } as const

export function tunnelOverhead(kind: keyof typeof ENCAPSULATION, peer: string): number {
  return ENCAPSULATION[kind] + (familyOf(peer) === 'ipv4' ? 20 : 40)
}

/** The hosts that a network spans beside this one. */
export function peersOf({ options, peers }: NetworkRecord): readonly string[] {
  return peers ?? parseNetworkOptions(options).peers ?? []
}

/**
 * The tunnels of a network, as ports. VXLAN is a device of the kernel's and an ordinary port. Open vSwitch's own would
 * need the underlay's address on a bridge of its own on the userspace datapath, and carries no unsegmented frames there;
 * on the kernel's it takes its UDP port for itself, and with it the one of Docker's overlay networks. All are isolated:
 * what came from one member of the mesh is not sent on to another, which has it already.
 */
export function tunnelPorts(network: NetworkRecord): readonly BridgePortSpec[] {
  const { id: networkId } = network
  const options = parseNetworkOptions(network.options)
  const { tunnel, vlan } = options
  if (tunnel === undefined) return []
  const port = { networkId, ...(vlan === undefined ? {} : { vlan }), isolated: true, mayBeOthers: false }
  const device = vxlanDevice(network)
  if (device !== undefined) {
    const { name } = device
    return [{ ...port, name, interfaces: [{ name, type: '', options: {} }] }]
  }
  return peersOf(network).map((peer) => {
    const name = tunnelName(`${networkId} ${peer}`)
    return { ...port, name, interfaces: [{ name, type: tunnel, options: tunnelOptions(options, peer) }] }
  })
}

function tunnelOptions({ vni, tunnelPort, localIp }: NetworkOptions, peer: string): InterfaceSpec['options'] {
  return {
    remote_ip: peer,
    key: String(vni),
    ...(tunnelPort === undefined ? {} : { dst_port: String(tunnelPort) }),
    ...(localIp === undefined ? {} : { local_ip: localIp }),
  }
}

/** The kernel's device that stands for a network's tunnels; `undefined` where Open vSwitch has its own. */
export function vxlanDevice(network: NetworkRecord): VxlanDevice | undefined {
  const { tunnel, vni, tunnelPort, localIp, mtu } = parseNetworkOptions(network.options)
  if (tunnel !== 'vxlan' || vni === undefined) return undefined
  return {
    name: tunnelName(network.id),
    owner: NETWORK_OWNER_PREFIX + network.id,
    vni,
    port: tunnelPort ?? VXLAN_PORT,
    ...(localIp === undefined ? {} : { localIp }),
    peers: peersOf(network),
    mtu: mtu ?? network.tunnelMtu ?? 1450,
  }
}

/** The network that a link was made for, from its owner mark. */
export function networkOfOwner(owner: string | undefined): string | undefined {
  return owner?.startsWith(NETWORK_OWNER_PREFIX) === true
    ? owner.slice(NETWORK_OWNER_PREFIX.length)
    : undefined
}

/** Fifteen characters that follow from what the tunnel is for. */
function tunnelName(of: string): string {
  return `ovst-${createHash('sha256').update(of).digest('hex').slice(0, 10)}`
}
