import type { TestHost } from '../e2e/host/host'
import { pluginName, startHost } from '../e2e/host/host'
import type { Wire } from '../e2e/host/join'
import { joinHosts } from '../e2e/host/join'
import type { Enter } from '../fixtures/helper'
import type { Samples } from './measure'
import type { Path } from './paths'
import { comparePaths } from './paths'

/** A network that spans both hosts, with a container of its name on each. */
interface Span {
  readonly network: string
  /** Its addresses begin with this and the host's number. */
  readonly prefix: string
}

const TUNNEL: Span = { network: 'mesh', prefix: '10.98' }
const BY_HAND: Span = { network: 'hand', prefix: '10.99' }

/**
 * From a container of one host to one of another: over the driver's VXLAN, and over the same made by hand with
 * `ip link add … type vxlan` and `ovs-vsctl add-port` on a flat network.
 */
export async function mesh(bundle: string): Promise<readonly Samples[]> {
  const hosts: TestHost[] = []
  let wire: Wire | undefined
  try {
    for (const letter of ['a', 'b']) {
      const host = await startHost({ engine: '28.5', name: `bench-${letter}` })
      hosts.push(host)
      await host.importBusybox()
      await host.installPlugin(bundle)
      await host.waitForSwitch(pluginName)
    }
    const [a, b] = hosts
    if (a === undefined || b === undefined) throw new Error('no hosts')
    wire = await joinHosts(hosts)
    for (const [index, host] of hosts.entries()) {
      await attach(host, index, TUNNEL, [
        ...['-o', 'ovs.bridge.tunnel=vxlan', '-o', 'ovs.bridge.vni=7'],
        ...['-o', `ovs.bridge.peers=192.0.2.${2 - index}`],
      ])
      await attach(host, index, BY_HAND, ['-o', 'ovs.bridge.name=hand', '-o', 'ovs.bridge.mtu=1450'])
      await host.sh(`
        ip link add hand0 type vxlan id 8 remote 192.0.2.${2 - index} dstport 4799
        ip link set hand0 mtu 1450 up`)
      await host.ovs('ovs-vsctl', 'add-port', 'hand', 'hand0')
    }
    const path = async (span: Span): Promise<Path> => ({
      from: await enter(a, span),
      to: await enter(b, span),
      address: `${span.prefix}.2.10`,
    })
    return await comparePaths({ mesh: await path(TUNNEL), by_hand: await path(BY_HAND) })
  } finally {
    for (const host of hosts) await host.stop()
    await wire?.dispose()
  }
}

async function attach(
  host: TestHost,
  index: number,
  { network, prefix }: Span,
  options: readonly string[],
): Promise<void> {
  await host.docker('network', 'create', '-d', pluginName, '--subnet', `${prefix}.0.0/16`, ...options, network)
  const address = `${prefix}.${index + 1}.10`
  const image = ['busybox:test', 'sleep', '3600']
  await host.docker('run', '-d', '--name', network, '--net', network, '--ip', address, ...image)
}

async function enter(host: TestHost, { network }: Span): Promise<Enter> {
  const format = '{{.NetworkSettings.SandboxKey}}'
  const key = (await host.docker('inspect', '-f', format, network)).stdout.trim()
  return ['nsenter', `--net=/proc/${host.pid}/root${key.replace(/^\/var\/run/, '/run')}`]
}
