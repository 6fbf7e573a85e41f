import { describe, expect, it } from '@jest/globals'
import { capture } from '../../fixtures/capture'
import type { FarMachine } from '../far-machine'
import type { TestHost } from '../host/host'
import { asOptions, createNetwork, expectReach, startContainer, untilNothingDiffers } from '../lab'
import { arrivals, pingFull, tag, tryInVain } from '../vlan-links'

/** Networks that carry whatever tags their containers send inside a tag of their own. */
export function qinq(host: () => TestHost, far: () => FarMachine, datapath: string): void {
  const inTunnel = (vlan: number, ...more: readonly string[]): readonly string[] =>
    asOptions(
      ...['ovs.bridge.name=dc', datapath, 'ovs.bridge.vlan_mode=dot1q-tunnel', `ovs.bridge.vlan=${vlan}`],
      ...more,
    )

  describe('802.1Q in 802.1ad', () => {
    it('keeps the tags of two networks apart, and carries them over the wire inside the network’s', async () => {
      const uplink = 'ovs.bridge.bind_interface=eth2'
      await createNetwork(host(), 'red', '--subnet', '10.1.0.0/24', ...inTunnel(100, uplink))
      await createNetwork(host(), 'blue', '--subnet', '10.2.0.0/24', ...inTunnel(200))
      for (const [name, network, address] of [
        ['one', 'red', '10.11.0.1'],
        ['two', 'red', '10.11.0.2'],
        ['three', 'blue', '10.11.0.3'],
      ] as const) {
        await startContainer(host(), name, network, '--cap-add', 'NET_ADMIN')
        await tag(host(), name, 10, address)
      }
      expect(await tryInVain(host(), 'one', '10.11.0.3')).toBe(true)
      await expectReach(host(), 'one', '10.11.0.2')
      await pingFull(host(), 'one', '10.11.0.2', 1500)
      expect(await arrivals(host(), 'three', 'eth0.10')).toBe(0)

      const wire = await capture(far().enter, 'far2')
      try {
        await expectReach(host(), 'one', '10.11.0.9')
        await expectReach(host(), 'one', '10.1.0.9')
      } finally {
        wire.stop()
      }
      const requests = wire.frames().filter((frame) => frame.includes('echo request'))
      const told = (address: string): string | undefined =>
        requests.find((frame) => frame.includes(`> ${address}:`))
      expect(told('10.11.0.9')).toMatch(/0x88a8\).* vlan 100,.* 802\.1Q \(0x8100\), vlan 10,.* IPv4/)
      expect(told('10.1.0.9')).toMatch(/0x88a8\).* vlan 100,.* IPv4/)
      expect(told('10.1.0.9')).not.toContain('vlan 10,')
      // Whatever the NIC's MTU has no room for is lost: on the kernel datapath one tag does not count, in userspace both do.
      const largest = datapath.endsWith('false') ? 1500 : 1496
      await pingFull(host(), 'one', '10.1.0.9', largest)
      await pingFull(host(), 'one', '10.11.0.9', largest - 4)
      await untilNothingDiffers(host())
    })
  })
}
