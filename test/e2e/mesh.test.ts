import { expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { listen, send } from '../fixtures/datagrams'
import { eventually } from './host/command'
import { pluginName, type TestHost } from './host/host'
import { asOptions, createNetwork, expectReach, inside, linkFile, reaches, startContainer } from './lab'
import { enterContainer } from './outside'
import type { Wire } from './host/join'
import { joinHosts } from './host/join'
import type { Scene } from './scene'
import { bundle, onHosts, useOnce } from './scene'

let wire: Wire

const scene: Scene = {
  title: 'three hosts with engine %s',
  names: ['mesh-a', 'mesh-b', 'mesh-c'],
  seconds: 120,
  async furnish(hosts) {
    for (const host of hosts) {
      await host.installPlugin(bundle)
      await host.waitForSwitch(pluginName)
    }
    wire = await joinHosts(hosts)
    for (const host of hosts) await useOnce(host)
    return () => wire.dispose()
  },
}

onHosts(scene, (hosts) => {
  const peersOf = (index: number): string => wire.addresses.filter((_, other) => other !== index).join(',')

  /** The network of one of the hosts, with a container that has the host's number in its address. */
  async function join(index: number, peers: string, ...options: readonly string[]): Promise<string> {
    const host = hosts()[index]
    if (host === undefined) throw new Error(`no host ${index}`)
    const range = ['--subnet', '10.98.0.0/16', '--ip-range', `10.98.${index + 1}.0/24`]
    const mesh = asOptions('ovs.bridge.tunnel=vxlan', 'ovs.bridge.vni=7', `ovs.bridge.peers=${peers}`)
    const id = await createNetwork(host, 'mesh', ...range, ...mesh, ...options)
    await startContainer(host, 'web', 'mesh', '--ip', `10.98.${index + 1}.10`)
    return id
  }

  async function fragments(host: TestHost): Promise<string> {
    return (await host.sh(`awk '/^Ip:/ { n++; if (n == 2) print $17, $19 }' /proc/net/snmp`)).stdout.trim()
  }

  it('are one network over VXLAN, whose MTU leaves room for the tunnel', async () => {
    for (const index of hosts().keys()) await join(index, peersOf(index))
    const [a] = hosts()
    if (a === undefined) return
    await expectReach(a, 'web', '10.98.2.10')
    await expectReach(a, 'web', '10.98.3.10')
    expect(await linkFile(a, 'web', 'mtu')).toBe('1450')
    const unbroken = await fragments(a)
    const ping = await inside(a, 'web', 'ping', '-c', '3', '-W', '3', '-s', '1422', '10.98.2.10')
    expect(ping).toContain('0% packet loss')
    expect(await fragments(a)).toBe(unbroken)
    for (const host of hosts()) expect(await host.differences()).toBe('')
  })

  it('have one broadcast arrive exactly once at each', async () => {
    for (const index of hosts().keys()) await join(index, peersOf(index))
    const [a, b, c] = hosts()
    if (a === undefined || b === undefined || c === undefined) return
    await expectReach(a, 'web', '10.98.2.10')
    await expectReach(b, 'web', '10.98.3.10')
    await expectReach(c, 'web', '10.98.1.10')
    const listeners = await Promise.all(
      [b, c].map(async (host) => listen(await enterContainer(host, 'web'), 4000)),
    )
    for (let n = 0; n < 5; n += 1) {
      await send(await enterContainer(a, 'web'), { to: '10.98.255.255', port: 4000, from: 4001 })
    }
    await eventually('all have arrived', () =>
      Promise.resolve(listeners.every((listener) => listener.count() >= 5) ? true : undefined),
    )
    await sleep(500)
    for (const listener of listeners) listener.stop()
    expect(listeners.map((listener) => listener.count())).toEqual([5, 5])
  })

  it('take in one more, which comes later', async () => {
    const [a, b, c] = hosts()
    if (a === undefined || b === undefined || c === undefined) return
    const [first = '', second = ''] = wire.addresses
    // Of the last one nobody knows yet, nor it of them.
    const ids = [await join(0, second), await join(1, first), await join(2, '192.0.2.99')]
    await expectReach(a, 'web', '10.98.2.10')
    expect(await reaches(b, 'web', '10.98.3.10')).toBe(false)
    for (const [index, host] of hosts().entries()) {
      const id = (ids[index] ?? '').slice(0, 12)
      await host.ovsOf(pluginName, 'dovesnap-peers', id, ...peersOf(index).split(','))
    }
    await expectReach(b, 'web', '10.98.3.10')
    await expectReach(c, 'web', '10.98.1.10')
  })

  it('meet over IPv6, in a VLAN of a shared bridge, and in no other', async () => {
    const [a, b] = hosts()
    if (a === undefined || b === undefined) return
    const options = asOptions('ovs.bridge.name=shared', 'ovs.bridge.vlan=5', 'ovs.bridge.tunnel_port=4790')
    await join(0, '2001:db8::2', ...options)
    await join(1, '2001:db8::1', ...options)
    await createNetwork(
      b,
      'other',
      '--subnet',
      '10.99.0.0/24',
      ...asOptions('ovs.bridge.name=shared', 'ovs.bridge.vlan=6'),
    )
    await startContainer(b, 'outsider', 'other', '--cap-add', 'NET_ADMIN')
    await inside(b, 'outsider', 'ip', 'address', 'add', '10.98.2.66/16', 'dev', 'eth0')
    await expectReach(a, 'web', '10.98.2.10')
    expect(await linkFile(a, 'web', 'mtu')).toBe('1430')
    expect(await reaches(a, 'web', '10.98.2.66')).toBe(false)
  })
})
