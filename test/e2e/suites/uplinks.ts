import { describe, expect, it } from '@jest/globals'
import { eventually } from '../host/command'
import type { TestHost } from '../host/host'
import {
  asOptions,
  clear,
  connectContainer,
  createNetwork,
  expectReach,
  inside,
  reaches,
  startContainer,
  untilNothingDiffers,
} from '../lab'
import type { Lan } from '../lan'

/** What leads out of the host: NICs, bonds, and the VLANs behind them. */
export function uplinks(host: () => TestHost, lan: () => Lan): void {
  const ovs = async (...args: readonly string[]): Promise<string> =>
    (await host().ovs('ovs-vsctl', ...args)).stdout.trim()

  describe('uplinks', () => {
    const subnet = ['--subnet', '192.0.2.0/24', '--ip-range', '192.0.2.128/25', '--gateway', '192.0.2.1']

    it('a NIC leads to the LAN', async () => {
      await createNetwork(host(), 'mynet', ...subnet, ...asOptions('ovs.bridge.bind_interface=eth2'))
      await startContainer(host(), 'client', 'mynet')
      await expectReach(host(), 'client', lan().untagged)
      await untilNothingDiffers(host())
    })

    it('two NICs are one bond, which outlives one of them', async () => {
      await createNetwork(host(), 'mynet', ...subnet, ...asOptions('ovs.bridge.add_ports=bond:eth2+eth3'))
      await startContainer(host(), 'client', 'mynet')
      await expectReach(host(), 'client', lan().untagged)
      const active = /active-backup primary|active member mac: \S+\((\w+)\)/.exec(
        (await host().ovs('ovs-appctl', 'bond/show')).stdout,
      )?.[1]
      await lan().cut(active ?? 'eth2')
      try {
        await eventually('the other NIC takes over', async () =>
          (await reaches(host(), 'client', lan().untagged)) ? true : undefined,
        )
      } finally {
        await lan().mend(active ?? 'eth2')
      }
    })

    it('a container gets its address from a DHCP server of the LAN, which learns its name', async () => {
      await host().sh(`
        printf '%s\\n' 'start 192.0.2.200' 'end 192.0.2.210' 'interface eth0' 'opt subnet 255.255.255.0' \\
          'lease_file /run/dhcp.leases' 'pidfile /run/dhcp.pid' >/run/dhcp.conf
        : >/run/dhcp.leases
        ip netns exec untagged busybox udhcpd /run/dhcp.conf`)
      try {
        const uplink = asOptions('ovs.bridge.bind_interface=eth2')
        await createNetwork(host(), 'mynet', '--ipam-driver', 'null', ...uplink)
        await startContainer(host(), 'client', 'mynet', '--cap-add', 'NET_ADMIN', '--hostname', 'printer')
        const script = '[ "$1" != bound ] || ifconfig "$interface" "$ip" netmask "$subnet"'
        await inside(
          host(),
          'client',
          'sh',
          '-c',
          `echo '#!/bin/sh' >/tmp/leased && echo '${script}' >>/tmp/leased && chmod +x /tmp/leased &&
           udhcpc -i eth0 -n -q -x hostname:$(hostname) -s /tmp/leased`,
        )
        await expectReach(host(), 'client', lan().untagged)
        // It writes down what it gave when it ends.
        await host().sh('kill $(cat /run/dhcp.pid)')
        await eventually('the server knows whom it gave an address', async () =>
          (await host().trySh('grep -q printer /run/dhcp.leases')).code === 0 ? true : undefined,
        )
        await untilNothingDiffers(host())
      } finally {
        await host().trySh('kill $(cat /run/dhcp.pid); rm -f /run/dhcp.*')
      }
    })

    it('a NIC with an address is refused, and so is one that is not there beside one that is', async () => {
      await host().sh('ip address add 198.51.100.1/24 dev eth2')
      try {
        await expect(
          createNetwork(host(), 'mynet', ...asOptions('ovs.bridge.bind_interface=eth2')),
        ).rejects.toThrow(/link eth2 has the address 198\.51\.100\.1\/24, which would be reached no more/)
        await expect(
          createNetwork(
            host(),
            'mynet',
            ...asOptions('ovs.bridge.bind_interface=eth2', 'ovs.bridge.move_ip=true'),
          ),
        ).rejects.toThrow(/the addresses of eth2 cannot move to a bridge of the plugin's own switch/)
      } finally {
        await host().sh('ip address del 198.51.100.1/24 dev eth2')
      }
      await expect(
        createNetwork(host(), 'mynet', ...asOptions('ovs.bridge.add_ports=eth2,eth8')),
      ).rejects.toThrow(/this host has no link eth8/)
    })
  })

  describe('VLANs', () => {
    const dc = ['ovs.bridge.name=dc', 'ovs.bridge.bind_interface=eth2']
    const subnet = ['--subnet', '192.0.2.0/24', '--gateway', '192.0.2.1']

    it('of the data centre are networks of one bridge and one NIC, and a container may have its own', async () => {
      await createNetwork(host(), 'vlan10', ...subnet, ...asOptions(...dc, 'ovs.bridge.vlan=10'))
      await createNetwork(
        host(),
        'vlan20',
        '--subnet',
        '198.51.100.0/24',
        ...asOptions(...dc, 'ovs.bridge.vlan=20'),
      )
      await startContainer(host(), 'ten', 'vlan10', '--ip', '192.0.2.200')
      await expectReach(host(), 'ten', lan().vlan10)
      expect(await reaches(host(), 'ten', lan().vlan20)).toBe(false)
      await connectContainer(host(), 'twenty', 'vlan10', 'ovs.bridge.vlan=20')
      await expectReach(host(), 'twenty', lan().vlan20)
      await connectContainer(
        host(),
        'native',
        'vlan10',
        'ovs.bridge.vlan=10',
        'ovs.bridge.trunks=20',
        'ovs.bridge.vlan_mode=native-untagged',
      )
      await expectReach(host(), 'native', lan().vlan10)
      await host().docker('rm', '-f', 'twenty')
      await host().docker('network', 'rm', 'vlan20')
      await expectReach(host(), 'ten', lan().vlan10)
    })

    it('a nat network of a shared bridge has its gateway in its VLAN', async () => {
      await createNetwork(host(), 'vlan10', ...subnet, ...asOptions(...dc, 'ovs.bridge.vlan=10'))
      await createNetwork(
        host(),
        'nat30',
        '--subnet',
        '10.30.0.0/24',
        ...asOptions('ovs.bridge.name=dc', 'ovs.bridge.vlan=30', 'ovs.bridge.mode=nat'),
      )
      await startContainer(host(), 'thirty', 'nat30')
      await expectReach(host(), 'thirty', '10.30.0.1')
      await connectContainer(host(), 'ten', 'vlan10')
      await inside(host(), 'ten', 'ip', 'address', 'add', '10.30.0.9/24', 'dev', 'eth0')
      expect(await reaches(host(), 'ten', '10.30.0.1')).toBe(false)
    })

    it("are an operator's bridge's as well", async () => {
      await ovs('add-br', 'admin', '--', 'set', 'bridge', 'admin', 'datapath_type=netdev')
      try {
        await createNetwork(
          host(),
          'mynet',
          ...subnet,
          ...asOptions('ovs.bridge.name=admin', 'ovs.bridge.bind_interface=eth2', 'ovs.bridge.vlan=10'),
        )
        await startContainer(host(), 'client', 'mynet', '--ip', '192.0.2.200')
        await expectReach(host(), 'client', lan().vlan10)
        await clear(host())
        expect(await ovs('list-ports', 'admin')).toBe('')
      } finally {
        await ovs('del-br', 'admin')
      }
    })
  })
}
