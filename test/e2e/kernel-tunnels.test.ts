import { expect, it } from '@jest/globals'
import { capture } from '../fixtures/capture'
import { pluginName } from './host/host'
import type { Wire } from './host/join'
import { joinHosts } from './host/join'
import {
  asOptions,
  createNetwork,
  expectReach,
  inside,
  linkFile,
  startContainer,
  untilNothingDiffers,
} from './lab'
import { enterHost } from './outside'
import type { Scene } from './scene'
import { bundle, onHosts, useOnce } from './scene'

let wire: Wire

const scene: Scene = {
  title: 'two hosts with engine %s and the embedded switch on the kernel datapath',
  names: ['tunnel-a', 'tunnel-b'],
  seconds: 90,
  async furnish(hosts) {
    for (const host of hosts) {
      await host.installPlugin(bundle)
      await host.waitForSwitch(pluginName)
    }
    wire = await joinHosts(hosts)
    for (const host of hosts) await useOnce(host)
    return () => wire.dispose()
  },
}

onHosts(scene, (hosts) => {
  it.each([
    ['geneve', 'IPv4', ['192.0.2.1', '192.0.2.2'], 1450, /\.6081: Geneve.* vni 0x7/],
    ['geneve', 'IPv6', ['2001:db8::1', '2001:db8::2'], 1430, /\.6081: Geneve.* vni 0x7/],
    ['gre', 'IPv4', ['192.0.2.1', '192.0.2.2'], 1458, /GREv0.* key=0x7/],
    ['vxlan', 'IPv4', ['192.0.2.1', '192.0.2.2'], 1450, /\.4789: VXLAN.* vni 7/],
  ])(
    'are one network over %s and %s, from the addresses of their NICs',
    async (kind, _, addresses, mtu, told) => {
      for (const [index, host] of hosts().entries()) {
        const options = asOptions(
          `ovs.bridge.tunnel=${kind}`,
          'ovs.bridge.vni=7',
          `ovs.bridge.peers=${addresses[1 - index] ?? ''}`,
          'ovs.bridge.userspace=false',
        )
        await createNetwork(host, 'mesh', '--subnet', '10.98.0.0/16', ...options)
        await startContainer(host, 'web', 'mesh', '--ip', `10.98.${index + 1}.10`)
      }
      const [a] = hosts()
      if (a === undefined) throw new Error('no host')
      const cable = await capture(enterHost(a), 'eth1')
      try {
        await expectReach(a, 'web', '10.98.2.10')
      } finally {
        cable.stop()
      }
      expect(cable.frames().join('\n')).toMatch(told)
      expect(await linkFile(a, 'web', 'mtu')).toBe(String(mtu))
      const ping = await inside(a, 'web', 'ping', '-c', '3', '-W', '5', '-s', String(mtu - 28), '10.98.2.10')
      expect(ping).toContain('0% packet loss')
      // What would be broken on the way is so because the MTU was chosen badly.
      expect(cable.frames().filter((frame) => /frag/.test(frame))).toEqual([])
      for (const host of hosts()) await untilNothingDiffers(host)
    },
  )
})
