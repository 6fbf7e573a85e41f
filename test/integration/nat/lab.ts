import type { FilteredNetwork } from '../../../src/driver/firewall'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import type { Enter } from '../../fixtures/helper'
import * as traffic from '../../fixtures/traffic'

/**
 * A host that routes between containers and a machine outside:
 *
 *     c1 (10.1.0.2, fd01::2), c3 (10.1.0.3, fd01::3) -- br1 -+
 *                                                            host -- eth0 (192.0.2.1, 2001:db8::1) -- outside (….9)
 *     c2 (10.2.0.2, fd02::2) ------------------------- br2 -+
 *
 * The bridges are the kernel's: the packet filter sees of a network no more than the link that holds its gateway.
 */
export interface Lab {
  readonly host: Netns
  readonly outside: Netns
  readonly containers: Readonly<Record<'c1' | 'c2' | 'c3', Netns>>
  dispose(): Promise<void>
}

export async function makeLab(): Promise<Lab> {
  const [host, outside, c1, c2, c3] = await Promise.all([
    makeNetns(),
    makeNetns(),
    makeNetns(),
    makeNetns(),
    makeNetns(),
  ])
  const all = [host, outside, c1, c2, c3]
  const connect = async (link: string, to: Netns): Promise<void> => {
    await host.exec(
      'ip',
      'link',
      'add',
      'name',
      link,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      to.name,
    )
    await host.exec('ip', 'link', 'set', 'dev', link, 'up')
    await to.exec('ip', 'link', 'set', 'dev', 'eth0', 'up')
  }
  const address = async (at: Netns, link: string, ...addresses: readonly string[]): Promise<void> => {
    for (const cidr of addresses) await at.exec('ip', 'address', 'add', cidr, 'dev', link, ...nodad(cidr))
  }
  const route = async (at: Netns, ...gateways: readonly string[]): Promise<void> => {
    for (const gateway of gateways) await at.exec('ip', 'route', 'add', 'default', 'via', gateway)
  }
  await host.exec(
    'sh',
    '-c',
    'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
  )
  // Unlike Open vSwitch, the kernel's bridges may send what they forward through the packet filter.
  await host.exec(
    'sh',
    '-c',
    'for f in /proc/sys/net/bridge/bridge-nf-call-ip*; do [ ! -e $f ] || echo 0 >$f; done',
  )
  await connect('eth0', outside)
  await address(host, 'eth0', '192.0.2.1/24', '2001:db8::1/64')
  await address(outside, 'eth0', '192.0.2.9/24', '2001:db8::9/64')
  for (const network of [1, 2]) {
    await host.exec('ip', 'link', 'add', 'name', `br${network}`, 'up', 'type', 'bridge')
    await address(host, `br${network}`, `10.${network}.0.1/24`, `fd0${network}::1/64`)
  }
  const plugged = [
    ['p1', 'br1', c1, 2],
    ['p3', 'br1', c3, 3],
    ['p2', 'br2', c2, 2],
  ] as const
  for (const [port, bridge, container, last] of plugged) {
    await connect(port, container)
    await host.exec('ip', 'link', 'set', 'dev', port, 'master', bridge)
    const network = bridge.slice(2)
    await address(container, 'eth0', `10.${network}.0.${last}/24`, `fd0${network}::${last}/64`)
    await route(container, `10.${network}.0.1`, `fd0${network}::1`)
  }
  // What an outside machine needs to reach containers at their own addresses.
  await outside.exec('ip', 'route', 'add', '10.0.0.0/8', 'via', '192.0.2.1')
  await outside.exec('ip', 'route', 'add', 'fd00::/8', 'via', '2001:db8::1')
  return {
    host,
    outside,
    containers: { c1, c2, c3 },
    dispose: async () => {
      await Promise.all(all.map((netns) => netns.dispose()))
    },
  }
}

const nodad = (cidr: string): readonly string[] => (cidr.includes(':') ? ['nodad'] : [])

export function networkOf(number: 1 | 2, more: Partial<FilteredNetwork> = {}): FilteredNetwork {
  return {
    id: String(number).repeat(64),
    link: `br${number}`,
    subnets: [
      { subnet: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` },
      { subnet: `fd0${number}::/64`, gateway: `fd0${number}::1/64` },
    ],
    masquerade: true,
    internal: false,
    interContainer: true,
    published: [],
    ...more,
  }
}

const inside = ({ name }: Netns): Enter => ['ip', 'netns', 'exec', name]

/** They end with the namespace. */
export async function serve(at: Netns, port: number): Promise<void> {
  await traffic.serve(inside(at), port)
}

export function ask(
  at: Netns,
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
): Promise<string | undefined> {
  return traffic.ask(inside(at), protocol, address, port)
}

export async function pings(at: Netns, address: string): Promise<boolean> {
  return at.exec('busybox', 'ping', '-c', '1', '-W', '1', address).then(
    () => true,
    () => false,
  )
}
