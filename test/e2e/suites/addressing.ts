import { describe, expect, it } from '@jest/globals'
import type { TestHost } from '../host/host'
import {
  attachment,
  createNetwork,
  defaultGateway,
  expectReach,
  hostLinkOf,
  inside,
  linkFile,
  linksOf,
  ping,
  startContainer,
} from '../lab'

/** MAC and IP addresses, subnets, routes and MTU. */
export function addressing(host: () => TestHost): void {
  describe('MAC addresses', () => {
    it('shows in docker inspect what the container has', async () => {
      await createNetwork(host(), 'mynet')
      await startContainer(host(), 'web', 'mynet')
      const { MacAddress: shown } = await attachment(host(), 'web', 'mynet')
      expect(shown).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)
      expect(await linkFile(host(), 'web', 'address')).toBe(shown)
    })

    it('keeps the address of a container that restarts, so that peers reach it at once', async () => {
      await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
      await startContainer(host(), 'web', 'mynet', '--ip', '10.91.0.10')
      await startContainer(host(), 'client', 'mynet')
      await expectReach(host(), 'client', '10.91.0.10')
      const before = await attachment(host(), 'web', 'mynet')
      await host().docker('restart', '-t', '0', 'web')
      const after = await attachment(host(), 'web', 'mynet')
      expect(after.EndpointID).not.toBe(before.EndpointID)
      expect(after.MacAddress).toBe(before.MacAddress)
      expect(await linkFile(host(), 'web', 'address')).toBe(before.MacAddress)
      expect(await ping(host(), 'client', '10.91.0.10')).toMatchObject({ code: 0 })
    })

    it('takes --mac-address', async () => {
      await createNetwork(host(), 'mynet')
      await startContainer(host(), 'web', 'mynet', '--mac-address', '02:00:5e:10:20:30')
      await startContainer(host(), 'client', 'mynet')
      expect(await linkFile(host(), 'web', 'address')).toBe('02:00:5e:10:20:30')
      expect((await attachment(host(), 'web', 'mynet')).MacAddress).toBe('02:00:5e:10:20:30')
      await expectReach(host(), 'client', 'web')
    })
  })

  describe('addresses', () => {
    it('takes --ip', async () => {
      await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
      await startContainer(host(), 'web', 'mynet', '--ip', '10.91.0.77')
      await startContainer(host(), 'client', 'mynet')
      expect(await inside(host(), 'web', 'ip', '-4', '-o', 'address', 'show', 'dev', 'eth0')).toContain(
        '10.91.0.77/24',
      )
      await expectReach(host(), 'client', '10.91.0.77')
    })

    it('carries several subnets on one network', async () => {
      const subnets = ['--subnet', '10.91.0.0/24', '--subnet', '10.92.0.0/24']
      await createNetwork(host(), 'mynet', ...subnets, '-o', 'ovs.bridge.gateway=none')
      await startContainer(host(), 'a1', 'mynet', '--ip', '10.91.0.10')
      await startContainer(host(), 'a2', 'mynet', '--ip', '10.91.0.11')
      await startContainer(host(), 'b1', 'mynet', '--ip', '10.92.0.10')
      await startContainer(host(), 'b2', 'mynet', '--ip', '10.92.0.11')
      await expectReach(host(), 'a1', '10.91.0.11')
      await expectReach(host(), 'b1', '10.92.0.11')
    })

    it('carries IPv6', async () => {
      await createNetwork(host(), 'mynet', '--ipv6', '--subnet', 'fd00:91::/64')
      await startContainer(host(), 'web', 'mynet')
      await startContainer(host(), 'client', 'mynet')
      const { GlobalIPv6Address: address } = await attachment(host(), 'web', 'mynet')
      expect(address).toMatch(/^fd00:91::/)
      await expectReach(host(), 'client', address)
      const byName = await host().tryDocker('exec', 'client', 'ping', '-6', '-c', '1', '-W', '3', 'web')
      expect(byName).toMatchObject({ code: 0 })
    })

    it('leaves addresses to the containers with the null IPAM driver', async () => {
      await createNetwork(host(), 'mynet', '--ipam-driver', 'null')
      await startContainer(host(), 'web', 'mynet', '--cap-add', 'NET_ADMIN')
      await startContainer(host(), 'client', 'mynet', '--cap-add', 'NET_ADMIN')
      expect(await inside(host(), 'web', 'ip', '-4', '-o', 'address', 'show', 'dev', 'eth0')).toBe('')
      await inside(host(), 'web', 'ip', 'address', 'add', '10.91.0.1/24', 'dev', 'eth0')
      await inside(host(), 'client', 'ip', 'address', 'add', '10.91.0.2/24', 'dev', 'eth0')
      await expectReach(host(), 'client', '10.91.0.1')
    })
  })

  describe('routes', () => {
    it("makes the user's --gateway the default route", async () => {
      await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24', '--gateway', '10.91.0.254')
      await startContainer(host(), 'web', 'mynet')
      expect(await defaultGateway(host(), 'web')).toBe('10.91.0.254')
      expect(await linksOf(host(), 'web')).toEqual(['eth0'])
    })

    it('without --gateway gives no default route where the engine tells, else the one it passed', async () => {
      await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
      await startContainer(host(), 'web', 'mynet')
      // Engines before 28 reserve an address and pass it as if the user had named it.
      const expected = host().engine === '28.5' ? undefined : '10.91.0.1'
      expect(await defaultGateway(host(), 'web')).toBe(expected)
      expect(await linksOf(host(), 'web')).toEqual(['eth0'])
    })

    it('gives no default route and no other link with ovs.bridge.gateway=none', async () => {
      const gateway = ['--gateway', '10.91.0.254', '-o', 'ovs.bridge.gateway=none']
      await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24', ...gateway)
      await startContainer(host(), 'web', 'mynet')
      expect(await defaultGateway(host(), 'web')).toBeUndefined()
      expect(await linksOf(host(), 'web')).toEqual(['eth0'])
    })

    it('keeps an --internal network without default route or other link, and its containers joined', async () => {
      const named = ['--subnet', '10.91.0.0/24', '--gateway', '10.91.0.254']
      await createNetwork(host(), 'mynet', '--internal', ...named)
      await startContainer(host(), 'web', 'mynet')
      await startContainer(host(), 'client', 'mynet')
      expect(await defaultGateway(host(), 'web')).toBeUndefined()
      expect(await linksOf(host(), 'web')).toEqual(['eth0'])
      await expectReach(host(), 'client', 'web')
    })

    it('refuses -p with a sentence, and the container leaves nothing', async () => {
      await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24', '--gateway', '10.91.0.254')
      const before = await host().snapshot()
      const publish = ['-p', '8080:80', 'busybox:test', 'sleep', '60']
      const result = await host().tryDocker('run', '-d', '--name', 'web', '--net', 'mynet', ...publish)
      expect(result.code).not.toBe(0)
      expect(result.stderr).toContain('cannot publish 80/tcp on a flat network')
      await host().docker('rm', '-f', 'web')
      await host().expectUnchanged(before)
    })
  })

  describe('MTU', () => {
    it.each(['ovs.bridge.mtu', 'com.docker.network.driver.mtu'])('sets both ends from %s', async (option) => {
      await createNetwork(host(), 'mynet', '-o', `${option}=1400`)
      await startContainer(host(), 'web', 'mynet')
      const hostLink = await hostLinkOf(host(), 'web')
      expect(await linkFile(host(), 'web', 'mtu')).toBe('1400')
      expect((await host().sh(`cat /sys/class/net/${hostLink}/mtu`)).stdout.trim()).toBe('1400')
    })

    it('passes packets of the full MTU and above 1500', async () => {
      await createNetwork(host(), 'mynet', '-o', 'ovs.bridge.mtu=9000')
      await startContainer(host(), 'web', 'mynet')
      await startContainer(host(), 'client', 'mynet')
      // 20 bytes of IPv4 and 8 of ICMP make 9000.
      const full = ['ping', '-c', '2', '-W', '3', '-s', '8972', 'web']
      expect(await host().tryDocker('exec', 'client', ...full)).toMatchObject({ code: 0 })
    })
  })
}
