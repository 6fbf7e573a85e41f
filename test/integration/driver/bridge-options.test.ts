import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { attach, endpointRequest, networkRequest, never, startWithRoundAt } from './fixture'
import type { Lan } from './lan'
import { makeLan } from './lan'

let lan: Lan

beforeEach(async () => {
  lan = await makeLan()
})

afterEach(async () => {
  await lan.host.dispose()
})

describe('settings of a bridge', () => {
  const bridge = {
    'ovs.bridge.dpid': '0xabc',
    'ovs.bridge.hwaddr': '02:00:00:00:00:07',
    'ovs.bridge.protocols': 'OpenFlow13,OpenFlow10',
    'ovs.bridge.rstp': 'true',
    'ovs.bridge.mcast_snooping': 'true',
    'ovs.bridge.controller': 'tcp:127.0.0.1,tcp:127.0.0.1:6654',
    'ovs.bridge.sflow': '127.0.0.1:6343/10',
    'ovs.bridge.netflow': '127.0.0.1:2055/60',
    'ovs.bridge.ipfix': '[::1]:4739',
  }

  async function settings(): Promise<readonly string[]> {
    const controllers = await lan.host.ovs.vsctl('get-controller', 'lan')
    return [
      await lan.get('Bridge', 'lan', 'fail_mode', 'protocols', 'rstp_enable', 'mcast_snooping_enable'),
      await lan.get('Bridge', 'lan', 'other_config:datapath-id', 'other_config:hwaddr'),
      controllers.split('\n').toSorted().join(' '),
      await lan.host.ovs.vsctl('--bare', '--columns=targets,sampling', 'list', 'sFlow'),
      await lan.host.ovs.vsctl('--bare', '--columns=targets,active_timeout', 'list', 'NetFlow'),
      await lan.host.ovs.vsctl('--bare', '--columns=targets,sampling', 'list', 'IPFIX'),
    ]
  }

  const asAsked = [
    'secure\n[OpenFlow10, OpenFlow13]\ntrue\ntrue',
    '"0000000000000abc"\n"02:00:00:00:00:07"',
    'tcp:127.0.0.1:6653 tcp:127.0.0.1:6654',
    '127.0.0.1:6343\n10',
    '127.0.0.1:2055\n60',
    '[::1]:4739',
  ]

  it('are those asked for, and come back after somebody changed them', async () => {
    await lan.createLan(bridge)
    expect(await settings()).toEqual(asAsked)
    await lan.host.ovs.vsctl('--', 'del-controller', 'lan', '--', 'del-fail-mode', 'lan')
    await lan.host.ovs.vsctl('clear', 'Bridge', 'lan', 'sflow', 'protocols', 'other_config')
    await lan.host.ovs.vsctl('set', 'Bridge', 'lan', 'rstp_enable=false')
    await lan.plugin.reconciler.run()
    expect(await settings()).toEqual(asAsked)
    expect(await lan.plugin.reconciler.differences(never)).toEqual([])
  })

  it('that nobody asked for are left as they are', async () => {
    const port = await lan.attach(await lan.createLan({}))
    // A kernel that cannot police says so in ovs-vswitchd's log only.
    await lan.host.ovs.vsctl('set', 'Interface', port, 'ingress_policing_rate=1000')
    await lan.host.ovs.vsctl(
      'set-controller',
      'lan',
      'tcp:127.0.0.1:6655',
      '--',
      'set',
      'Bridge',
      'lan',
      'stp_enable=true',
    )
    await lan.plugin.reconciler.run()
    expect(await lan.host.ovs.vsctl('get-controller', 'lan')).toBe('tcp:127.0.0.1:6655')
    expect(await lan.get('Bridge', 'lan', 'stp_enable')).toBe('true')
    expect(await lan.get('Interface', port, 'ingress_policing_rate')).toBe('1000')
  })

  it("are refused on an operator's bridge", async () => {
    await lan.host.ovs.vsctl('add-br', 'lan', '--', 'set', 'bridge', 'lan', 'datapath_type=netdev')
    await expect(lan.createLan({ 'ovs.bridge.stp': 'true' })).rejects.toThrow(
      /^bridge lan was not made by this driver: leave out ovs.bridge.stp and set it with ovs-vsctl/,
    )
  })
})

describe('uplinks', () => {
  it('are on the bridge, up, with the number and the VLAN asked for, come back, and go with the network', async () => {
    await lan.makeNic('eth2')
    await lan.makeNic('eth3')
    const network = await lan.createLan({
      'ovs.bridge.bind_interface': 'eth2',
      'ovs.bridge.add_ports': 'eth3/17/100',
    })
    expect(await lan.host.ovs.vsctl('list-ports', 'lan')).toBe('eth2\neth3')
    expect(await lan.get('Interface', 'eth3', 'ofport')).toBe('17')
    expect(await lan.get('Port', 'eth3', 'tag')).toBe('100')
    expect((await lan.host.netns.exec('ip', 'link', 'show', 'eth2')).stdout).toMatch(/[<,]UP[,>]/)
    await lan.host.ovs.vsctl('del-port', 'eth2')
    await lan.host.netns.exec('ip', 'link', 'set', 'eth3', 'down')
    await lan.plugin.reconciler.run()
    expect(await lan.host.ovs.vsctl('list-ports', 'lan')).toBe('eth2\neth3')
    expect((await lan.host.netns.exec('ip', 'link', 'show', 'eth3')).stdout).toMatch(/[<,]UP[,>]/)
    await lan.plugin.driver.deleteNetwork(network, never)
    expect(await lan.host.ovs.vsctl('list-br')).toBe('')
    expect((await lan.host.netns.exec('nft', 'list', 'ruleset')).stdout).not.toContain('eth2')
  })

  it('are all there, or nothing is made', async () => {
    await lan.makeNic('eth2')
    await expect(lan.createLan({ 'ovs.bridge.add_ports': 'eth2,eth9' })).rejects.toThrow(
      /^this host has no link eth9/,
    )
    await lan.host.netns.exec('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'eth2')
    await expect(lan.createLan({ 'ovs.bridge.bind_interface': 'eth2' })).rejects.toThrow(
      /^link eth2 has the address 192.0.2.1\/24, which would be reached no more/,
    )
    expect(await lan.host.ovs.vsctl('list-br')).toBe('')
    expect(await lan.get('Open_vSwitch', '.', 'external_ids')).toBe('{}')
  })

  it('belong to one bridge', async () => {
    await lan.makeNic('eth2')
    await lan.createLan({ 'ovs.bridge.bind_interface': 'eth2' })
    const other = networkRequest({ options: { 'ovs.bridge.bind_interface': 'eth2' } })
    await expect(lan.plugin.driver.createNetwork(other, never)).rejects.toThrow(
      /^eth2 is on bridge lan and cannot be on/,
    )
    expect(await lan.host.ovs.vsctl('list-br')).toBe('lan')
  })

  it('are shared by networks of one bridge until the last of them goes', async () => {
    await lan.makeNic('eth2')
    const options = { 'ovs.bridge.name': 'lan', 'ovs.bridge.bind_interface': 'eth2' }
    const [first, second] = ['10', '20'].map((vlan) =>
      networkRequest({ options: { ...options, 'ovs.bridge.vlan': vlan } }),
    )
    for (const request of [first, second])
      if (request !== undefined) await lan.plugin.driver.createNetwork(request, never)
    await lan.plugin.driver.deleteNetwork(first?.networkId ?? '', never)
    await lan.plugin.reconciler.run()
    expect(await lan.host.ovs.vsctl('list-ports', 'lan')).toBe('eth2')
    await lan.plugin.driver.deleteNetwork(second?.networkId ?? '', never)
    expect(await lan.host.ovs.vsctl('list-br')).toBe('')
  })

  it("leave an operator's bridge, and one that the operator put there stays", async () => {
    await lan.makeNic('eth2')
    await lan.makeNic('eth3')
    await lan.host.ovs.vsctl(
      'add-br',
      'lan',
      '--',
      'set',
      'bridge',
      'lan',
      'datapath_type=netdev',
      '--',
      'add-port',
      'lan',
      'eth3',
    )
    const network = await lan.createLan({ 'ovs.bridge.add_ports': 'eth2,eth3' })
    expect(await lan.host.ovs.vsctl('list-ports', 'lan')).toBe('eth2\neth3')
    await lan.plugin.driver.deleteNetwork(network, never)
    expect(await lan.host.ovs.vsctl('list-ports', 'lan')).toBe('eth3')
  })

  it('that are gone fail their own network, and no other on the bridge', async () => {
    await lan.makeNic('eth2')
    const first = await lan.createLan({ 'ovs.bridge.vlan': '5', 'ovs.bridge.bind_interface': 'eth2' })
    await lan.host.netns.exec('ip', 'link', 'delete', 'dev', 'eth2')
    await lan.host.ovs.stopSwitchd()
    await lan.host.ovs.startSwitchd()
    await lan.host.ovs.vsctl('wait-until', 'Interface', 'eth2', 'ofport=-1')
    const second = await lan.createLan({ 'ovs.bridge.vlan': '6' })
    await lan.attach(second)
    expect((await lan.plugin.reconciler.differences(never)).join('\n')).toContain('eth2')
    await lan.plugin.driver.deleteNetwork(first, never)
    expect(await lan.plugin.reconciler.differences(never)).toEqual([])
  }, 20_000)

  it('can be one bond of two NICs', async () => {
    await lan.makeNic('eth2')
    await lan.makeNic('eth3')
    await lan.createLan({ 'ovs.bridge.bind_interface': 'bond:eth2+eth3/balance-slb' })
    expect(await lan.host.ovs.vsctl('list-ports', 'lan')).toBe('bond-eth2')
    expect(await lan.host.ovs.vsctl('list-ifaces', 'lan')).toBe('eth2\neth3')
    expect(await lan.host.ovs.appctl('ovs-vswitchd', 'bond/show', 'bond-eth2')).toContain(
      'bond_mode: balance-slb',
    )
    await lan.host.ovs.vsctl('del-bond-iface', 'bond-eth2', 'eth3')
    await lan.plugin.reconciler.run()
    expect(await lan.host.ovs.vsctl('list-ifaces', 'lan')).toBe('eth2\neth3')
  })

  it('give their addresses and routes to the bridge, and get them back', async () => {
    await lan.makeNic('eth2')
    const ip = async (...args: readonly string[]): Promise<string> =>
      (await lan.host.netns.exec('ip', ...args)).stdout.trim()
    await ip('link', 'set', 'eth2', 'up')
    await ip('link', 'set', 'eth2-far', 'up')
    await ip('address', 'add', '192.0.2.1/24', 'dev', 'eth2')
    await ip('address', 'add', '2001:db8::1/64', 'dev', 'eth2', 'nodad')
    await ip('route', 'add', 'default', 'via', '192.0.2.254')
    await ip('-6', 'route', 'add', 'default', 'via', '2001:db8::fe')
    await ip('neighbour', 'add', '192.0.2.254', 'lladdr', '02:00:00:00:00:fe', 'dev', 'eth2')
    const state = async (): Promise<readonly string[]> => [
      await ip('-4', '-brief', 'address', 'show', 'dev', 'eth2'),
      await ip('-4', 'route', 'show', 'default'),
      await ip('-6', 'route', 'show', 'default'),
      await ip('neighbour', 'show', 'nud', 'permanent'),
    ]
    const before = await state()
    const network = await lan.createLan({ 'ovs.bridge.bind_interface': 'eth2', 'ovs.bridge.move_ip': 'true' })
    expect(await ip('-4', 'route', 'show', 'default')).toBe('default via 192.0.2.254 dev lan')
    expect(await ip('-6', 'route', 'show', 'default')).toMatch(/^default via 2001:db8::fe dev lan/)
    expect(await ip('neighbour', 'show', 'nud', 'permanent')).toContain('192.0.2.254 dev lan')
    expect(await ip('-brief', 'address', 'show', 'dev', 'lan')).toMatch(/192\.0\.2\.1\/24 .*2001:db8::1\/64/)
    // As after a reboot, when the host's own scripts have been there first.
    await ip('address', 'flush', 'dev', 'lan')
    await ip('address', 'add', '192.0.2.1/24', 'dev', 'eth2')
    await lan.plugin.reconciler.run()
    expect(await ip('-4', 'route', 'show', 'default')).toBe('default via 192.0.2.254 dev lan')
    expect(await lan.plugin.reconciler.differences(never)).toEqual([])
    await lan.plugin.driver.deleteNetwork(network, never)
    expect(await state()).toEqual(before)
    expect(await lan.get('Open_vSwitch', '.', 'external_ids')).toBe('{}')
  })

  it('give them by one at a time, their create or a round of reconcile', async () => {
    await lan.makeNic('eth2')
    await lan.host.netns.exec('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'eth2')
    const { racing, roundEnded } = await startWithRoundAt(lan.host, 'address del')
    const options = {
      'ovs.bridge.name': 'lan',
      'ovs.bridge.bind_interface': 'eth2',
      'ovs.bridge.move_ip': 'true',
    }
    await racing.driver.createNetwork(networkRequest({ options }), never)
    await roundEnded()
    const { stdout } = await lan.host.netns.exec('ip', '-brief', 'address', 'show', 'dev', 'lan')
    expect(stdout).toContain('192.0.2.1/24')
    expect(racing.logged.join('\n')).not.toContain('put right')
  })

  it('are given back to the host where the driver died when their network was half gone', async () => {
    await lan.makeNic('eth2')
    const ip = async (...args: readonly string[]): Promise<string> =>
      (await lan.host.netns.exec('ip', ...args)).stdout.trim()
    const guards = async (): Promise<string> =>
      (await lan.host.netns.exec('nft', 'list', 'ruleset', 'netdev')).stdout
    await ip('address', 'add', '192.0.2.1/24', 'dev', 'eth2')
    const network = await lan.createLan({
      'ovs.bridge.userspace': 'true',
      'ovs.bridge.bind_interface': 'eth2',
      'ovs.bridge.move_ip': 'true',
    })
    expect(await guards()).toContain('eth2')
    // The transaction by which a network's bridge and record go, and nothing after it.
    const record = `dovesnap-network-${network}`
    await lan.host.ovs.vsctl('del-br', 'lan', '--', 'remove', 'Open_vSwitch', '.', 'external_ids', record)
    const { plugin } = await lan.restart()
    expect(await plugin.reconciler.differences(never)).toEqual([
      'link eth2 is no uplink any more and has an ingress guard',
      'link eth2 lacks the addresses that moved to a bridge',
    ])
    await plugin.reconciler.run()
    expect(await ip('-brief', 'address', 'show', 'dev', 'eth2')).toContain('192.0.2.1/24')
    expect(await guards()).not.toContain('eth2')
    expect(await plugin.reconciler.differences(never)).toEqual([])
    expect(await lan.get('Open_vSwitch', '.', 'external_ids')).toBe('{}')
  })
})

describe('a mirror', () => {
  it('leads to the port named, and to a container that asks for it while it is there', async () => {
    await lan.makeNic('eth3')
    const network = await lan.createLan({ 'ovs.bridge.mirror': 'eth3', 'ovs.bridge.add_ports': 'eth3' })
    expect(await lan.host.ovs.vsctl('get', 'Mirror', 'dovesnap-eth3', 'select_all')).toBe('true')
    await lan.host.ovs.vsctl('clear', 'Bridge', 'lan', 'mirrors')
    await lan.plugin.reconciler.run()
    expect(await lan.host.ovs.vsctl('get', 'Mirror', 'dovesnap-eth3', 'select_all')).toBe('true')
    const request = endpointRequest(network, { options: { 'ovs.port.mirror': 'true' } })
    await attach(lan.plugin, request)
    expect(await lan.host.ovs.vsctl('--bare', '--columns=name', 'list', 'Mirror')).toContain(
      'dovesnap-ovs-veth0-',
    )
    await lan.plugin.driver.deleteEndpoint(request, never)
    expect(await lan.host.ovs.vsctl('--bare', '--columns=name', 'list', 'Mirror')).toBe('dovesnap-eth3')
  })

  it('to a port that is not there is refused, and nothing is made', async () => {
    await expect(lan.createLan({ 'ovs.bridge.mirror': 'eth9' })).rejects.toThrow(
      /^bridge lan has no port eth9/,
    )
    expect(await lan.host.ovs.vsctl('list-br')).toBe('')
  })
})
