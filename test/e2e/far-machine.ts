import type { TestHost } from './host/host'
import { enterNetns } from './outside'
import type { Enter } from '../fixtures/helper'

/** A machine at the other end of the host's NICs eth2 and eth3, where they are called far2 and far3. */
export interface FarMachine {
  readonly enter: Enter
  /** Runs a shell script in its network, with the host's programs. */
  sh(script: string): Promise<unknown>
}

/** Its network is of the kernel alone. It stays until the host goes. */
export async function addFarMachine(host: TestHost): Promise<FarMachine> {
  await host.sh(`
    ip netns add far
    for n in 2 3; do
      ip link add eth$n up type veth peer name far$n netns far
      ip link set eth$n addrgenmode none
      ip netns exec far sysctl -q -w net.ipv6.conf.far$n.disable_ipv6=1
      # A switch in userspace forwards what it gets, and this end would leave its checksums to the NIC.
      ip netns exec far ethtool -K far$n tx off >/dev/null
      ip -n far link set far$n up
    done`)
  return {
    enter: enterNetns(host, '/run/netns/far'),
    sh: (script) => host.sh(`exec ip netns exec far sh -ec ${quoted(script)}`),
  }
}

function quoted(script: string): string {
  return `'${script.replaceAll("'", String.raw`'\''`)}'`
}
