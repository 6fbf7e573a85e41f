import type { TestHost } from './host/host'
import { inside, linkFile } from './lab'

/** Gives a container with NET_ADMIN a link of its own in a VLAN, `<link>.<vlan>`, and an address on it. */
export async function tag(
  host: TestHost,
  container: string,
  vlan: number,
  address: string,
  link = 'eth0',
): Promise<void> {
  const name = `${link}.${vlan}`
  await inside(
    host,
    container,
    'sh',
    '-ec',
    `ip link add link ${link} name ${name} type vlan id ${vlan}
     ip address add ${address}/24 dev ${name}
     ip link set ${name} up`,
  )
}

/** Asks for an address that nobody is to answer for; what of it arrived is seen at the other end. */
export async function tryInVain(host: TestHost, from: string, to: string): Promise<boolean> {
  return (await host.tryDocker('exec', from, 'ping', '-c', '1', '-W', '1', to)).code !== 0
}

/** How many packets a link of a container has seen. */
export async function arrivals(host: TestHost, container: string, link: string): Promise<number> {
  return Number(await linkFile(host, container, 'statistics/rx_packets', link))
}

/** Pings with the largest packet that an MTU lets through, which is not to be broken. */
export function pingFull(host: TestHost, from: string, to: string, mtu: number): Promise<string> {
  // Busybox sets no don't-fragment bit; a link's own MTU breaks nothing that fits it.
  return inside(host, from, 'ping', '-c', '2', '-W', '5', '-s', String(mtu - 28), to)
}
