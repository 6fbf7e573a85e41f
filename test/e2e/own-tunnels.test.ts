import { afterEach, expect, it } from '@jest/globals'
import { asOptions, createNetwork, expectReach, inside, startContainer, untilNothingDiffers } from './lab'
import { startSwitch } from './own-switch'
import { joinHosts } from './host/join'
import type { Scene } from './scene'
import { bundle, onHosts, useOnce } from './scene'

/** Open vSwitch's own tunnels leave the userspace datapath by a bridge that has the underlay's address. */
const scene: Scene = {
  title: 'two hosts with engine %s and an Open vSwitch of their own',
  names: ['tunnel-a', 'tunnel-b'],
  hasSwitch: true,
  seconds: 120,
  async furnish(hosts) {
    for (const host of hosts) {
      await startSwitch(host)
      await host.installPlugin(bundle, { settings: ['ovs.source=/run'] })
    }
    const wire = await joinHosts(hosts)
    for (const host of hosts) {
      // The other end of the cable computes no checksums, and this switch forwards them as they are.
      await host.sh('ethtool -K eth1 tx off >/dev/null; ip route add 203.0.113.0/24 via 192.0.2.254')
      await useOnce(host)
    }
    return () => wire.dispose()
  },
}

onHosts(scene, (hosts) => {
  afterEach(async () => {
    for (const [index, host] of hosts().entries()) {
      expect((await host.sh('ip -4 -brief address show dev eth1')).stdout).toContain(
        `192.0.2.${index + 1}/24`,
      )
      expect((await host.sh('ip route show 203.0.113.0/24')).stdout.trim()).toBe(
        '203.0.113.0/24 via 192.0.2.254 dev eth1',
      )
    }
  })

  async function moveAddresses(): Promise<void> {
    for (const host of hosts()) {
      const options = asOptions(
        'ovs.bridge.name=under',
        'ovs.bridge.bind_interface=eth1',
        'ovs.bridge.move_ip=true',
      )
      await createNetwork(
        host,
        'under',
        ...options,
        '--subnet',
        '192.0.2.0/24',
        '--ip-range',
        '192.0.2.128/25',
      )
    }
  }

  it('reach each other at addresses that have moved to a bridge, and so do containers on it', async () => {
    await moveAddresses()
    const [a, b] = hosts()
    if (a === undefined || b === undefined) return
    await a.sh('busybox ping -c 2 -W 3 192.0.2.2')
    expect((await a.sh('ip route show 203.0.113.0/24')).stdout).toContain('dev under')
    await startContainer(a, 'web', 'under', '--ip', '192.0.2.200')
    await expectReach(a, 'web', '192.0.2.2')
    await b.sh('busybox ping -c 2 -W 3 192.0.2.200')
    // As somebody's hand or the host's own network configuration may have it.
    await a.sh('ip address flush dev under; ip address add 192.0.2.1/24 dev eth1')
    await untilNothingDiffers(a)
    await b.sh('busybox ping -c 2 -W 3 192.0.2.1')
  })

  it.each([
    ['geneve', 1450],
    ['gre', 1458],
    ['vxlan', 1450],
  ])('are one network over %s', async (kind, mtu) => {
    await moveAddresses()
    for (const [index, host] of hosts().entries()) {
      const peer = `192.0.2.${2 - index}`
      const options = asOptions(`ovs.bridge.tunnel=${kind}`, 'ovs.bridge.vni=7', `ovs.bridge.peers=${peer}`)
      await createNetwork(host, 'mesh', '--subnet', '10.98.0.0/16', ...options)
      await startContainer(host, 'web', 'mesh', '--ip', `10.98.${index + 1}.10`)
    }
    const [a] = hosts()
    if (a === undefined) return
    await expectReach(a, 'web', '10.98.2.10')
    const ping = await inside(a, 'web', 'ping', '-c', '3', '-W', '3', '-s', String(mtu - 28), '10.98.2.10')
    expect(ping).toContain('0% packet loss')
  })
})
