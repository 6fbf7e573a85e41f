import { makeNetns } from '../../fixtures/netns'
import type { TestHost } from './host'

export interface Wire {
  /** The hosts' addresses on the wire, in the order of the hosts. */
  readonly addresses: readonly string[]
  dispose(): Promise<void>
}

/** Gives each host a NIC, `eth1` with addresses (192.0.2.n and 2001:db8::n), on one plain bridge in a namespace of its own. */
export async function joinHosts(hosts: readonly TestHost[]): Promise<Wire> {
  const wire = await makeNetns()
  await wire.exec('ip', 'link', 'add', 'name', 'wire', 'up', 'type', 'bridge')
  for (const [index, host] of hosts.entries()) {
    const port = `host${index}`
    const peer = ['peer', 'name', 'eth1', 'netns', String(host.pid)]
    await wire.exec('ip', 'link', 'add', 'name', port, 'up', 'master', 'wire', 'type', 'veth', ...peer)
    await host.sh(`
      ip link set dev eth1 up
      ip address add ${addressOf(index)}/24 dev eth1
      ip address add 2001:db8::${index + 1}/64 dev eth1 nodad`)
  }
  return { addresses: hosts.map((_, index) => addressOf(index)), dispose: () => wire.dispose() }
}

function addressOf(index: number): string {
  // RFC 5737's addresses for examples: no network of an engine takes them.
  return `192.0.2.${index + 1}`
}
