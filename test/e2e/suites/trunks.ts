import { describe, expect, it } from '@jest/globals'
import type { TestHost } from '../host/host'
import {
  asOptions,
  connectContainer,
  createNetwork,
  expectReach,
  inside,
  startContainer,
  untilNothingDiffers,
} from '../lab'
import { arrivals, pingFull, tag, tryInVain } from '../vlan-links'

/** Containers that speak VLANs themselves. */
export function trunks(host: () => TestHost, datapath: string): void {
  const dc = ['ovs.bridge.name=dc', datapath]
  const vlan10 = ['--subnet', '10.10.0.0/24', ...asOptions(...dc, 'ovs.bridge.vlan=10')]

  describe('trunks', () => {
    it('carry the VLANs that they name, to other trunks, to the network of a VLAN and to the wire, and no other', async () => {
      const carried = asOptions(...dc, 'ovs.bridge.bind_interface=eth2', 'ovs.bridge.trunks=10,20')
      await createNetwork(host(), 'trunk', '--subnet', '10.94.0.0/24', ...carried)
      await createNetwork(host(), 'vlan10', ...vlan10)
      for (const [index, name] of ['one', 'two'].entries()) {
        await startContainer(host(), name, 'trunk', '--cap-add', 'NET_ADMIN')
        for (const vlan of [10, 20, 30]) await tag(host(), name, vlan, `10.${vlan}.0.${index + 1}`)
      }
      await startContainer(host(), 'ten', 'vlan10', '--ip', '10.10.0.10')
      expect(await tryInVain(host(), 'one', '10.30.0.2')).toBe(true)
      expect(await tryInVain(host(), 'one', '10.30.0.9')).toBe(true)
      for (const to of ['10.10.0.2', '10.20.0.2', '10.10.0.10', '10.10.0.9', '10.20.0.9']) {
        await expectReach(host(), 'one', to)
      }
      // A VLAN's link has the MTU of the one below it: the tag comes on top.
      await pingFull(host(), 'one', '10.10.0.2', 1500)
      await pingFull(host(), 'one', '10.10.0.10', 1500)
      await pingFull(host(), 'one', '10.10.0.9', 1500)
      expect(await arrivals(host(), 'two', 'eth0.30')).toBe(0)
      await untilNothingDiffers(host())
    })

    it('with a native VLAN take what is not tagged for it, and give it without a tag or with one', async () => {
      const trunk = ['ovs.bridge.vlan=10', 'ovs.bridge.trunks=20']
      await createNetwork(host(), 'vlan10', ...vlan10)
      await startContainer(host(), 'ten', 'vlan10', '--ip', '10.10.0.10')
      await connectContainer(host(), 'twenty', 'vlan10', 'ovs.bridge.vlan=20')
      await inside(host(), 'twenty', 'ip', 'address', 'add', '10.20.0.20/24', 'dev', 'eth0')
      for (const mode of ['native-untagged', 'native-tagged']) {
        await connectContainer(host(), mode, 'vlan10', ...trunk, `ovs.bridge.vlan_mode=${mode}`)
      }
      await tag(host(), 'native-untagged', 20, '10.20.0.1')
      await tag(host(), 'native-tagged', 20, '10.20.0.2')
      await expectReach(host(), 'native-untagged', '10.10.0.10')
      await expectReach(host(), 'native-untagged', '10.20.0.20')
      await expectReach(host(), 'native-tagged', '10.20.0.20')
      // What it says untagged arrives in VLAN 10; the answer comes with a tag.
      const before = await arrivals(host(), 'ten', 'eth0')
      expect(await tryInVain(host(), 'native-tagged', '10.10.0.10')).toBe(true)
      expect(await arrivals(host(), 'ten', 'eth0')).toBeGreaterThan(before)
      await inside(host(), 'native-tagged', 'ip', 'address', 'flush', 'dev', 'eth0')
      await tag(host(), 'native-tagged', 10, '10.10.0.77')
      await expectReach(host(), 'native-tagged', '10.10.0.10')
      await untilNothingDiffers(host())
    })
  })
}
