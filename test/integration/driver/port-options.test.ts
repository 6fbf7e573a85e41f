import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Process } from './fixture'
import { attach, endpointRequest, networkRequest, never } from './fixture'
import type { Lan } from './lan'
import { makeLan } from './lan'

let lan: Lan

beforeEach(async () => {
  lan = await makeLan()
})

afterEach(async () => {
  await lan.host.dispose()
})

describe('VLANs of containers', () => {
  it.each([
    [{ 'ovs.bridge.vlan': '5' }, '5\n[]\n[]'],
    [{ 'ovs.bridge.trunks': '10,20-22' }, '[]\n[10, 20, 21, 22]\n[]'],
    [
      { 'ovs.bridge.vlan': '5', 'ovs.bridge.trunks': '10', 'ovs.bridge.vlan_mode': 'native-untagged' },
      '5\n[10]\nnative-untagged',
    ],
    [{ 'ovs.bridge.vlan': '5', 'ovs.bridge.vlan_mode': 'dot1q-tunnel' }, '5\n[]\ndot1q-tunnel'],
  ])('%j, of the network and of one container', async (options, expected) => {
    const port = await lan.attach(await lan.createLan(options))
    expect(await lan.get('Port', port, 'tag', 'trunks', 'vlan_mode')).toBe(expected)
    await lan.host.ovs.vsctl('clear', 'Port', port, 'tag', 'trunks', 'vlan_mode')
    await lan.plugin.reconciler.run()
    expect(await lan.get('Port', port, 'tag', 'trunks', 'vlan_mode')).toBe(expected)
    const plain = networkRequest({ options: { 'ovs.bridge.vlan': '99' } })
    await lan.plugin.driver.createNetwork(plain, never)
    expect(
      await lan.get('Port', await lan.attach(plain.networkId, options), 'tag', 'trunks', 'vlan_mode'),
    ).toBe(expected)
  })
})

it('are told to whoever asks Docker about the endpoint', async () => {
  await lan.makeNic('eth2')
  const network = await lan.createLan({
    'ovs.bridge.bind_interface': 'eth2',
    'ovs.bridge.trunks': '10,20',
    'ovs.bridge.tunnel': 'vxlan',
    'ovs.bridge.vni': '7',
    'ovs.bridge.peers': '192.0.2.2',
    'ovs.port.ingress_rate': '1000',
  })
  const request = endpointRequest(network, {
    options: { 'ovs.port.egress_rate': '2000', 'ovs.port.security': 'true' },
  })
  await attach(lan.plugin, request)
  expect(lan.plugin.driver.endpointInfo(request)).toMatchObject({
    bridge: 'lan',
    trunks: '10, 20',
    ingress_rate: 1000,
    egress_rate: 2000,
    security: 'true',
    uplinks: 'eth2',
    tunnel: 'vxlan',
    vni: 7,
    peers: '192.0.2.2',
  })
})

describe('a tunnel', () => {
  const options = {
    'ovs.bridge.tunnel': 'vxlan',
    'ovs.bridge.vni': '7',
    'ovs.bridge.peers': '192.0.2.2,192.0.2.3',
  }

  it('over VXLAN is a device of the kernel, comes back, and goes with the network', async () => {
    await lan.makeNic('eth2')
    await lan.host.netns.exec('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'eth2')
    await lan.host.netns.exec('ip', 'link', 'set', 'dev', 'eth2', 'mtu', '9000', 'up')
    const network = await lan.createLan(options)
    const tunnel = await lan.host.ovs.vsctl('list-ports', 'lan')
    const shown = async (): Promise<string> =>
      (await lan.host.netns.exec('ip', '-d', 'link', 'show', tunnel)).stdout +
      (await lan.host.netns.exec('bridge', 'fdb', 'show', 'dev', tunnel)).stdout
    expect(await shown()).toMatch(/mtu 8950 [^]*vxlan id 7 .*dstport 4789/)
    expect(await shown()).toContain('00:00:00:00:00:00 dst 192.0.2.2 self permanent')
    expect(await shown()).toContain('00:00:00:00:00:00 dst 192.0.2.3 self permanent')
    expect(await lan.get('Interface', 'lan', 'mtu')).toBe('8950')
    await lan.host.netns.exec('ip', 'link', 'delete', tunnel)
    await lan.plugin.reconciler.run()
    expect(await shown()).toContain('dst 192.0.2.3 self permanent')
    await lan.plugin.driver.deleteNetwork(network, never)
    expect(await lan.host.linkNames()).not.toContain(tunnel)
  })

  it('over VXLAN takes the place of ports as an earlier release made them, which hold the UDP port', async () => {
    const network = await lan.createLan(options)
    const device = await lan.host.ovs.vsctl('list-ports', 'lan')
    await lan.host.netns.exec('ip', 'link', 'delete', device)
    await lan.host.ovs.vsctl(
      ...['--', 'del-port', 'lan', device, '--', 'add-port', 'lan', 'ovst-earlier'],
      ...['--', 'set', 'Port', 'ovst-earlier', 'external_ids:owner=dovesnap'],
      `external_ids:dovesnap-network=${network}`,
      ...['--', 'set', 'Interface', 'ovst-earlier', 'type=vxlan'],
      ...['options:remote_ip=192.0.2.2', 'options:key=7'],
    )
    for (let round = 0; round < 3; round += 1) await lan.plugin.reconciler.run()
    expect(await lan.host.ovs.vsctl('list-ports', 'lan')).toBe(device)
    const { stdout } = await lan.host.netns.exec('ip', '-d', 'link', 'show', device)
    expect(stdout).toMatch(/[<,]UP[,>][^]*vxlan id 7 .*dstport 4789/)
    expect(await lan.plugin.reconciler.differences(never)).toEqual([])
  })

  it.each([
    ["an overlay network of Docker Swarm's with its VNI", ['id', '7']],
    ["Open vSwitch's own VXLAN", ['external']],
  ])('is refused in one sentence beside %s on its UDP port, and nothing is left', async (_, kind) => {
    const ip = lan.host.netns.exec.bind(lan.host.netns, 'ip')
    await ip('link', 'add', 'other', 'type', 'vxlan', ...kind, 'dstport', '4789')
    await ip('link', 'set', 'other', 'up')
    await expect(lan.createLan(options)).rejects.toThrow(
      /^UDP port 4789 is taken on this host, or VNI 7 on it, .*: choose another on every host/,
    )
    expect(await lan.host.linkNames()).not.toContainEqual(expect.stringMatching(/^ovst-/))
    expect(await lan.host.ovs.vsctl('list-br')).toBe('')
    await lan.createLan({ ...options, 'ovs.bridge.tunnel_port': '4790' })
  })

  it.each(['geneve', 'gre'])('of %s is a port of the switch, isolated from the others', async (kind) => {
    await lan.createLan({ ...options, 'ovs.bridge.tunnel': kind, 'ovs.bridge.local_ip': '192.0.2.1' })
    const ports = (await lan.host.ovs.vsctl('list-ports', 'lan')).split('\n')
    expect(ports).toHaveLength(2)
    const remotes = await Promise.all(
      ports.map(async (port) => {
        expect(await lan.get('Port', port, 'protected')).toBe('true')
        return lan.get('Interface', port, 'type', 'options')
      }),
    )
    expect(remotes.toSorted()).toEqual(
      ['192.0.2.2', '192.0.2.3'].map(
        (peer) => `${kind}\n{key="7", local_ip="192.0.2.1", remote_ip="${peer}"}`,
      ),
    )
  })

  it.each(['vxlan', 'geneve'])('of %s gets other peers, which stay', async (kind) => {
    const network = await lan.createLan({ ...options, 'ovs.bridge.tunnel': kind })
    const peers = async (): Promise<string> => {
      const ports = (await lan.host.ovs.vsctl('list-ports', 'lan')).split('\n')
      const shown = await Promise.all(
        ports.map(async (port) =>
          kind === 'vxlan'
            ? (await lan.host.netns.exec('bridge', 'fdb', 'show', 'dev', port)).stdout
            : await lan.get('Interface', port, 'options:remote_ip'),
        ),
      )
      return shown.join('\n')
    }
    expect(
      await lan.plugin.driver.setPeers(network.slice(0, 12), ['192.0.2.3', '192.0.2.4'], never),
    ).toHaveLength(2)
    lan = await lan.restart()
    await lan.plugin.reconciler.run()
    expect(await peers()).toMatch(/192\.0\.2\.3[^]*192\.0\.2\.4|192\.0\.2\.4[^]*192\.0\.2\.3/)
    expect(await peers()).not.toContain('192.0.2.2')
    await expect(lan.plugin.driver.setPeers(network, ['example.com'], never)).rejects.toThrow(/is not valid/)
    await expect(lan.plugin.driver.setPeers('none', ['192.0.2.3'], never)).rejects.toThrow(/is not known/)
  })

  it('of a network that nobody knows any more is removed, and one of somebody else is not', async () => {
    const ip = lan.host.netns.exec.bind(lan.host.netns, 'ip')
    for (const name of ['ovst-stray', 'somebody']) {
      await ip('link', 'add', name, 'type', 'vxlan', 'id', name === 'somebody' ? '8' : '9', 'dstport', '4789')
    }
    await ip('link', 'set', 'ovst-stray', 'alias', `dovesnap-network:${'f'.repeat(64)}`)
    await lan.plugin.reconciler.run()
    expect(await lan.host.linkNames()).toContain('somebody')
    expect(await lan.host.linkNames()).not.toContain('ovst-stray')
  })

  it('that is being made is no stray', async () => {
    const racing: Process = await lan.host.startProcess((run) => async (command, args, options) => {
      const result = await run(command, args, options)
      if (command === 'bridge' && args.includes('-batch')) await racing.reconciler.run()
      return result
    })
    const request = networkRequest({ options: { 'ovs.bridge.name': 'lan', ...options } })
    await racing.driver.createNetwork(request, never)
    expect(racing.logged.join('\n')).not.toContain('stray')
    expect(await racing.reconciler.differences(never)).toEqual([])
  })

  it('to this host itself is refused', async () => {
    await lan.makeNic('eth2')
    await lan.host.netns.exec('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'eth2')
    await expect(lan.createLan(options)).rejects.toThrow(
      'option ovs.bridge.peers cannot stand with 192.0.2.2: that is this host itself',
    )
  })
})

describe('rates', () => {
  it('of what a container receives are a queueing discipline, comes back, and goes with the container', async () => {
    const network = await lan.createLan({ 'ovs.port.egress_rate': '10000' })
    const request = endpointRequest(network)
    await attach(lan.plugin, request)
    const port = String(lan.plugin.driver.endpointInfo(request)['port'])
    const shaping = async (): Promise<string> =>
      (await lan.host.netns.exec('tc', 'class', 'show', 'dev', port)).stdout
    expect(await shaping()).toContain('rate 10Mbit')
    await lan.host.ovs.vsctl('clear', 'Port', port, 'qos', '--', '--all', 'destroy', 'QoS')
    await lan.plugin.reconciler.run()
    expect(await shaping()).toContain('rate 10Mbit')
    await lan.plugin.driver.deleteEndpoint(request, never)
    expect(await lan.host.ovs.vsctl('list', 'QoS')).toBe('')
  })

  it('of what it sends leave the bridge forwarding when the container is gone', async () => {
    const network = await lan.createLan({})
    const request = endpointRequest(network, { options: { 'ovs.port.ingress_rate': '500' } })
    await attach(lan.plugin, request)
    await lan.plugin.reconciler.run()
    await lan.plugin.driver.deleteEndpoint(request, never)
    await lan.plugin.reconciler.run()
    expect(await lan.host.ovs.ofctl('dump-flows', 'lan')).toMatch(/priority=0 actions=NORMAL/)
  })

  it('of what it sends are a meter on the userspace datapath, before its network their own', async () => {
    const network = await lan.createLan({ 'ovs.bridge.userspace': 'true', 'ovs.port.ingress_rate': '10000' })
    await lan.attach(network)
    await lan.attach(network, { 'ovs.port.ingress_rate': '500', 'ovs.port.ingress_burst': '100' })
    const meters = async (): Promise<string> => lan.host.ovs.ofctl('dump-meters', 'lan')
    expect(await meters()).toMatch(/rate=10000 burst_size=8000/)
    expect(await meters()).toMatch(/rate=500 burst_size=100/)
    await lan.host.ovs.ofctl('del-flows', 'lan')
    await lan.host.ovs.ofctl('del-meters', 'lan')
    expect(await lan.plugin.reconciler.differences(never)).toHaveLength(4)
    await lan.plugin.reconciler.run()
    expect(await lan.plugin.reconciler.differences(never)).toEqual([])
    expect(await meters()).toMatch(/rate=500 burst_size=100/)
  })
})

describe('port security', () => {
  it('stays in force for a container that comes while a round looks at the flows', async () => {
    let request: ReturnType<typeof endpointRequest> | undefined
    const racing: Process = await lan.host.startProcess((run) => async (command, args, options) => {
      if (args.includes('dump-flows') && request !== undefined) {
        const coming = request
        request = undefined
        await attach(racing, coming)
      }
      return run(command, args, options)
    })
    const network = await lan.createLan({ 'ovs.port.security': 'true' })
    await racing.reconciler.run()
    request = endpointRequest(network, { macAddress: '02:00:00:00:00:99' })
    await racing.reconciler.run()
    expect(request).toBeUndefined()
    expect(await lan.host.ovs.ofctl('dump-flows', 'lan')).toContain('dl_src=02:00:00:00:00:99')
  })

  it('are flows, which come back, leave those of others alone, and go with the container', async () => {
    const network = await lan.createLan({ 'ovs.port.security': 'true' })
    const request = endpointRequest(network)
    await attach(lan.plugin, request)
    const flows = async (): Promise<number> =>
      (await lan.host.ovs.ofctl('dump-flows', 'lan')).split('\n').filter((line) => line.includes('0xd05e'))
        .length
    const complete = await flows()
    expect(complete).toBeGreaterThan(10)
    expect(await lan.get('Bridge', 'lan', 'fail_mode')).toBe('secure')
    await lan.host.ovs.ofctl('del-flows', 'lan')
    await lan.host.ovs.ofctl('add-flow', 'lan', 'priority=7,ip,actions=drop')
    await lan.plugin.reconciler.run()
    expect(await flows()).toBe(complete)
    expect(await lan.host.ovs.ofctl('dump-flows', 'lan')).toContain('priority=7')
    await lan.plugin.driver.deleteEndpoint(request, never)
    await lan.plugin.reconciler.run()
    // What lets the bridge forward at all stays.
    expect(await flows()).toBe(1)
  })

  it('leaves the other networks of its bridge connected, before its first container and after its last', async () => {
    const forwards = async (): Promise<boolean> =>
      (await lan.host.ovs.ofctl('dump-flows', 'lan')).includes('actions=NORMAL')
    const plain = await lan.createLan({ 'ovs.bridge.vlan': '5' })
    const network = await lan.createLan({ 'ovs.port.security': 'true' })
    expect(await forwards()).toBe(true)
    const request = endpointRequest(network)
    await attach(lan.plugin, request)
    await lan.plugin.driver.deleteEndpoint(request, never)
    await lan.plugin.driver.deleteNetwork(network, never)
    await lan.attach(plain)
    await lan.plugin.reconciler.run()
    expect(await forwards()).toBe(true)
  })

  it('beside a controller is refused', async () => {
    const options = { 'ovs.port.security': 'true', 'ovs.bridge.controller': 'tcp:127.0.0.1' }
    await expect(lan.createLan(options)).rejects.toThrow(
      /^option ovs.port.security cannot stand with ovs.bridge.controller/,
    )
    const network = await lan.createLan({
      'ovs.bridge.userspace': 'true',
      'ovs.bridge.controller': 'tcp:127.0.0.1',
    })
    await expect(lan.attach(network, { 'ovs.port.security': 'true' })).rejects.toThrow(
      /^option ovs.port.security/,
    )
    await expect(lan.attach(network, { 'ovs.port.ingress_rate': '5' })).rejects.toThrow(
      /^option ovs.port.ingress_rate/,
    )
  })
})
