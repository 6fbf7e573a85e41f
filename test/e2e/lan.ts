import type { TestHost } from './host/host'

/** Machines of a LAN behind the host's NICs eth2 and eth3, in VLANs of a switch in between. */
export interface Lan {
  /** The address of a machine that speaks untagged, and of one in each VLAN. */
  readonly untagged: string
  readonly vlan10: string
  readonly vlan20: string
  /** The cable of a NIC, at the LAN's end. */
  cut(nic: string): Promise<void>
  mend(nic: string): Promise<void>
}

/**
 * The LAN's switch is a bridge of the plugin's own Open vSwitch, for this kernel may know no VLANs; nothing but the
 * cables leads from it to the bridges of networks. It stays until the host goes.
 */
export async function addLan(host: TestHost): Promise<Lan> {
  const machine = (name: string, address: string): string => `
    ip netns add ${name}
    ip link add lan-${name} up type veth peer name eth0 netns ${name}
    ip -n ${name} link set eth0 up
    ip netns exec ${name} ethtool -K eth0 tx off >/dev/null
    ip -n ${name} address add ${address}/24 dev eth0`
  await host.sh(`
    ip link add eth2 up type veth peer name lan-eth2
    ip link add eth3 up type veth peer name lan-eth3
    ip link set lan-eth2 up
    ip link set lan-eth3 up
    for nic in eth2 eth3 lan-eth2 lan-eth3; do ip link set $nic addrgenmode none; done
    ${machine('untagged', '192.0.2.9')}
    ${machine('vlan10', '192.0.2.10')}
    ${machine('vlan20', '192.0.2.20')}`)
  const port = (name: string, ...columns: readonly string[]): readonly string[] => [
    '--',
    'add-port',
    'lan',
    name,
    ...columns,
  ]
  await host.ovs(
    'ovs-vsctl',
    'add-br',
    'lan',
    ...['--', 'set', 'Bridge', 'lan', 'datapath_type=netdev', 'other_config:hwaddr=02:00:00:00:00:99'],
    ...port('lan-eth2'),
    ...port('lan-eth3'),
    ...port('lan-untagged'),
    ...port('lan-vlan10', 'tag=10'),
    ...port('lan-vlan20', 'tag=20'),
  )
  return {
    untagged: '192.0.2.9',
    vlan10: '192.0.2.10',
    vlan20: '192.0.2.20',
    cut: async (nic) => {
      await host.sh(`ip link set lan-${nic} down`)
    },
    mend: async (nic) => {
      await host.sh(`ip link set lan-${nic} up`)
    },
  }
}
