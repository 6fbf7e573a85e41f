import type { TestHost } from '../e2e/host/host'
import { pluginName } from '../e2e/host/host'

/**
 * Networks that span two hosts: the driver's VXLAN; the same made by hand of the kernel's device, and of Open vSwitch's own
 * kind of port; Docker's overlay of two engines in one swarm.
 */
export type SpanName = 'mesh' | 'by_hand' | 'own_tunnel' | 'swarm'

export interface Span {
  /** The network's name, and its container's on either host. */
  readonly network: string
  /** Its addresses begin with this and the host's number. */
  readonly prefix: string
  /** Makes the network, on hosts that the wire joins. */
  create(hosts: readonly TestHost[]): Promise<void>
}

const VXLAN_MTU = 1450
const BESIDE = ['-o', `ovs.bridge.mtu=${VXLAN_MTU}`]

const peerOf = (index: number): string => `192.0.2.${2 - index}`
const subnet = (prefix: string): readonly string[] => ['--subnet', `${prefix}.0.0/16`]

const mesh: Span = {
  network: 'mesh',
  prefix: '10.98',
  async create(hosts) {
    for (const [index, host] of hosts.entries()) {
      const options = [
        '-o',
        'ovs.bridge.tunnel=vxlan',
        '-o',
        'ovs.bridge.vni=7',
        '-o',
        `ovs.bridge.peers=${peerOf(index)}`,
      ]
      await host.docker(
        'network',
        'create',
        '-d',
        pluginName,
        ...subnet(this.prefix),
        ...options,
        this.network,
      )
    }
  },
}

const by_hand: Span = {
  network: 'hand',
  prefix: '10.99',
  async create(hosts) {
    for (const [index, host] of hosts.entries()) {
      const options = ['-o', 'ovs.bridge.name=hand', ...BESIDE]
      await host.docker(
        'network',
        'create',
        '-d',
        pluginName,
        ...subnet(this.prefix),
        ...options,
        this.network,
      )
      await host.sh(`
        ip link add hand0 type vxlan id 8 remote ${peerOf(index)} dstport 4799
        ip link set hand0 mtu ${VXLAN_MTU} up`)
      await host.ovs('ovs-vsctl', 'add-port', 'hand', 'hand0')
    }
  },
}

const own_tunnel: Span = {
  network: 'own',
  prefix: '10.97',
  async create(hosts) {
    for (const [index, host] of hosts.entries()) {
      const options = ['-o', 'ovs.bridge.name=own', ...BESIDE]
      await host.docker(
        'network',
        'create',
        '-d',
        pluginName,
        ...subnet(this.prefix),
        ...options,
        this.network,
      )
      const tunnel = [
        'type=vxlan',
        `options:remote_ip=${peerOf(index)}`,
        'options:key=9',
        'options:dst_port=4798',
      ]
      await host.ovs('ovs-vsctl', 'add-port', 'own', 'own0', '--', 'set', 'Interface', 'own0', ...tunnel)
    }
  },
}

const swarm: Span = {
  network: 'swarm',
  prefix: '10.96',
  async create([manager, ...workers]) {
    if (manager === undefined) return
    await manager.docker('swarm', 'init', '--advertise-addr', '192.0.2.1')
    const token = (await manager.docker('swarm', 'join-token', '-q', 'worker')).stdout.trim()
    for (const worker of workers) {
      await worker.docker('swarm', 'join', '--token', token, '192.0.2.1:2377')
    }
    await manager.docker(
      'network',
      'create',
      '-d',
      'overlay',
      '--attachable',
      ...subnet(this.prefix),
      this.network,
    )
  },
}

export const SPANS: Readonly<Record<SpanName, Span>> = { mesh, by_hand, own_tunnel, swarm }
