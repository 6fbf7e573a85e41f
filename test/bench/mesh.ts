import type { TestHost } from '../e2e/host/host'
import { pluginName, startHost } from '../e2e/host/host'
import type { Wire } from '../e2e/host/join'
import { joinHosts } from '../e2e/host/join'
import { tcpRate } from './iperf'
import type { Enter } from '../fixtures/helper'
import type { Samples } from './measure'

const ROUNDS = 5

/** A container at each end, on a network of the driver's that reaches from host to host. */
interface Path {
  readonly network: string
  /** Its addresses begin with this and the host's number. */
  readonly prefix: string
}

const TUNNEL: Path = { network: 'mesh', prefix: '10.98' }
const BY_HAND: Path = { network: 'hand', prefix: '10.99' }

/**
 * TCP from a container of one host to one of another, kbit/s: over the driver's VXLAN, and over the same made by hand with
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
    const samples = { mesh_tunnel: [] as number[], mesh_by_hand: [] as number[] }
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [name, path] of [
        ['mesh_tunnel', TUNNEL],
        ['mesh_by_hand', BY_HAND],
      ] as const) {
        const [from, to] = await Promise.all([a, b].map((host) => enter(host, path)))
        if (from === undefined || to === undefined) throw new Error('no containers')
        const rate = await tcpRate(from, to, `${path.prefix}.2.10`)
        if (round > 0) samples[name].push(rate)
      }
    }
    return Object.entries(samples).map(([name, values]) => ({ name, unit: 'kbit/s', values }))
  } finally {
    for (const host of hosts) await host.stop()
    await wire?.dispose()
  }
}

async function attach(
  host: TestHost,
  index: number,
  { network, prefix }: Path,
  options: readonly string[],
): Promise<void> {
  await host.docker('network', 'create', '-d', pluginName, '--subnet', `${prefix}.0.0/16`, ...options, network)
  const address = `${prefix}.${index + 1}.10`
  const image = ['busybox:test', 'sleep', '3600']
  await host.docker('run', '-d', '--name', network, '--net', network, '--ip', address, ...image)
}

async function enter(host: TestHost, { network }: Path): Promise<Enter> {
  const format = '{{.NetworkSettings.SandboxKey}}'
  const key = (await host.docker('inspect', '-f', format, network)).stdout.trim()
  return ['nsenter', `--net=/proc/${host.pid}/root${key.replace(/^\/var\/run/, '/run')}`]
}
