import type { Enter } from '../fixtures/helper'
import type { TestHost } from './host/host'

/** RFC 5737's and RFC 3849's addresses for examples. */
export const HOST4 = '192.0.2.1'
export const HOST6 = '2001:db8::1'
export const OUTSIDE4 = '192.0.2.9'
export const OUTSIDE6 = '2001:db8::9'

/** A machine beyond the host's NIC eth9, which knows the way back to no container. */
export interface Outside {
  readonly enter: Enter
  remove(): Promise<void>
}

/** @param hasIPv6 whether the host's NIC can have an address of IPv6. */
export async function addOutside(host: TestHost, hasIPv6 = true): Promise<Outside> {
  await host.sh(`
    ip netns add outside
    ip link add eth9 up type veth peer name eth0 netns outside
    ip address add ${HOST4}/24 dev eth9
    ${hasIPv6 ? `ip address add ${HOST6}/64 dev eth9 nodad` : ''}
    ip -n outside link set eth0 up
    ip -n outside address add ${OUTSIDE4}/24 dev eth0
    ip -n outside address add ${OUTSIDE6}/64 dev eth0 nodad`)
  return {
    enter: enterNetns(host, '/run/netns/outside'),
    remove: async () => {
      await host.sh('ip netns delete outside; ip link delete eth9 2>/dev/null || true')
    },
  }
}

/** The host's own network, with this machine's programs. */
export function enterHost(host: TestHost): Enter {
  return ['nsenter', '-t', String(host.pid), '-n']
}

/** A running container's network, with this machine's programs. */
export async function enterContainer(host: TestHost, container: string): Promise<Enter> {
  const format = '{{.NetworkSettings.SandboxKey}}'
  return enterNetns(host, (await host.docker('inspect', '-f', format, container)).stdout.trim())
}

/** A network namespace by its path in the host. */
export function enterNetns(host: TestHost, path: string): Enter {
  // In the host's mount namespace, where /var/run is a link to /run that leads out of it.
  return ['nsenter', `--net=/proc/${host.pid}/root${path.replace(/^\/var\/run/, '/run')}`]
}
