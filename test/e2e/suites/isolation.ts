import { describe, expect, it } from '@jest/globals'
import { eventually } from '../host/command'
import type { TestHost } from '../host/host'
import { bridgeOf, createNetwork, hostLinkOf, inside, linkFile, startContainer } from '../lab'

/** Of loopback's: the host answers ARP for it on every link that its stack hears. */
const hostAddress = '198.51.100.1'

/** The address that the kernel forms from a MAC address (RFC 4291, appendix A). */
function linkLocal(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((octet) => parseInt(octet, 16))
  const groups = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f]
  return `fe80::${groups.map((group) => group.toString(16)).join(':')}`
}

/** A container has no way to the host's own stack past the switch, or over the bridge's local port. */
export function isolation(host: () => TestHost): void {
  describe('isolation from the host', () => {
    const scene = async (): Promise<{ readonly bridge: string; readonly hostLink: string }> => {
      await host().sh(`ip address replace ${hostAddress}/32 dev lo`)
      const id = await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
      await startContainer(host(), 'intruder', 'mynet', '--cap-add', 'NET_ADMIN')
      await startContainer(host(), 'peer', 'mynet', '--cap-add', 'NET_ADMIN')
      for (const container of ['intruder', 'peer']) {
        // Engines turn IPv6 off on links of a network without it.
        const pid = (await host().docker('inspect', '-f', '{{.State.Pid}}', container)).stdout.trim()
        await host().sh(`nsenter -t ${pid} -n sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0`)
      }
      const hostLink = await hostLinkOf(host(), 'intruder')
      // A way back, or the host would hear and not answer.
      await host().sh(`ip route add 10.91.0.0/24 dev ${hostLink}`)
      return { bridge: await bridgeOf(host(), id), hostLink }
    }
    const arp = async (address: string): Promise<number> =>
      (await host().tryDocker('exec', 'intruder', 'arping', '-c', '2', '-w', '3', '-I', 'eth0', address)).code
    const pingOnLink = async (address: string): Promise<number> =>
      (await host().tryDocker('exec', 'intruder', 'ping', '-c', '2', '-W', '2', '-I', 'eth0', address)).code

    it('over ARP and IPv4', async () => {
      await scene()
      await inside(host(), 'peer', 'ip', 'address', 'add', '198.51.100.2/32', 'dev', 'eth0')
      for (const address of [hostAddress, '198.51.100.2']) {
        await inside(host(), 'intruder', 'ip', 'route', 'add', address, 'dev', 'eth0', 'scope', 'link')
      }
      // The peer shows that the same attempt succeeds where somebody answers.
      expect(await arp('198.51.100.2')).toBe(0)
      expect(await pingOnLink('198.51.100.2')).toBe(0)
      expect(await arp(hostAddress)).not.toBe(0)
      expect(await pingOnLink(hostAddress)).not.toBe(0)
    })

    it('over IPv4 to the MAC addresses of the host, without asking for them', async () => {
      const { bridge, hostLink } = await scene()
      await inside(host(), 'intruder', 'ip', 'route', 'add', hostAddress, 'dev', 'eth0', 'scope', 'link')
      for (const link of [bridge, hostLink]) {
        const mac = (await host().sh(`cat /sys/class/net/${link}/address`)).stdout.trim()
        await inside(host(), 'intruder', 'arp', '-s', hostAddress, mac)
        const statistics = `/proc/net/snmp`
        const received = async (): Promise<string | undefined> =>
          /^Icmp: (\d+)/m.exec(
            (await host().sh(`cat ${statistics}`)).stdout.replace(/^Icmp: In.*\n/m, ''),
          )?.[1]
        const before = await received()
        expect(await pingOnLink(hostAddress)).not.toBe(0)
        expect(await received()).toBe(before)
      }
    })

    it('over IPv6 link-local addresses', async () => {
      const { bridge, hostLink } = await scene()
      // The kernel uses an address only once it has looked for duplicates of it.
      const peer = linkLocal(await linkFile(host(), 'peer', 'address'))
      await eventually('the peer answers', async () => ((await pingOnLink(peer)) === 0 ? true : undefined))
      for (const link of [bridge, hostLink]) {
        const mac = (await host().sh(`cat /sys/class/net/${link}/address`)).stdout.trim()
        // The driver's links have no address; with one the host has what could answer.
        await host().sh(`ip address add ${linkLocal(mac)}/64 dev ${link} nodad`)
        expect(await pingOnLink(linkLocal(mac))).not.toBe(0)
      }
    })
  })
}
