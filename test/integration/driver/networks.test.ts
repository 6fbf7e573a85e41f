import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Host, Process } from './fixture'
import { endpointRequest, makeHost, networkRequest, never } from './fixture'

let host: Host
let plugin: Process

beforeEach(async () => {
  host = await makeHost()
  plugin = await host.startProcess()
})

afterEach(async () => {
  await host.dispose()
})

describe('a network', () => {
  it('is a bridge of its own, named after it, and gone with it', async () => {
    const request = networkRequest()
    await plugin.driver.createNetwork(request, never)
    const bridge = `ovsbr-${request.networkId.slice(0, 5)}`
    expect(await host.ovs.vsctl('list-br')).toBe(bridge)
    expect(await host.ovs.vsctl('get', 'Interface', bridge, 'ofport', 'error', 'mtu')).toBe('65534\n[]\n1500')
    await plugin.driver.deleteNetwork(request.networkId, never)
    expect(await host.ovs.vsctl('list-br')).toBe('')
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')).not.toContain('dovesnap')
  })

  it('is created twice with the same request, and refused with another', async () => {
    const request = networkRequest()
    await plugin.driver.createNetwork(request, never)
    await plugin.driver.createNetwork(request, never)
    const other = { ...request, options: { 'ovs.bridge.vlan': '7' } }
    await expect(plugin.driver.createNetwork(other, never)).rejects.toThrow(
      /exists already with other options/,
    )
    expect((await host.ovs.vsctl('list-br')).split('\n')).toHaveLength(1)
  })

  it('takes another piece of its id where a name is taken', async () => {
    const first = networkRequest({ networkId: `aaaaab${'0'.repeat(58)}` })
    const second = networkRequest({ networkId: `aaaaab${'1'.repeat(58)}` })
    await plugin.driver.createNetwork(first, never)
    await plugin.driver.createNetwork(second, never)
    expect(await host.ovs.vsctl('list-br')).toBe('ovsbr-aaaaa\novsbr-aaaab')
  })

  it('takes another piece of its id where a link that is no bridge has the name', async () => {
    await host.netns.exec('ip', 'link', 'add', 'name', 'ovsbr-ccccc', 'type', 'veth', 'peer', 'name', 'x')
    await plugin.driver.createNetwork(networkRequest({ networkId: `cccccd${'0'.repeat(58)}` }), never)
    expect(await host.ovs.vsctl('list-br')).toBe('ovsbr-ccccd')
  })

  it("uses an operator's bridge by name and leaves it in place, and never changes it", async () => {
    await host.ovs.vsctl('add-br', 'lan', '--', 'set', 'bridge', 'lan', 'datapath_type=netdev')
    const before = await host.ovs.vsctl('list', 'Bridge', 'lan')
    const request = networkRequest({ options: { 'ovs.bridge.name': 'lan', 'ovs.bridge.mtu': '1400' } })
    await plugin.driver.createNetwork(request, never)
    await plugin.driver.createEndpoint(endpointRequest(request.networkId), never)
    expect(await host.ovs.vsctl('list-ports', 'lan')).toMatch(/^ovs-veth0-/)
    await plugin.driver.deleteNetwork(request.networkId, never)
    expect(await host.ovs.vsctl('list', 'Bridge', 'lan')).toBe(before)
  })

  it('shares a bridge of ours with another network, which is removed with the last of them', async () => {
    const named = (vlan: string) =>
      networkRequest({ options: { 'ovs.bridge.name': 'shared', 'ovs.bridge.vlan': vlan } })
    const [first, second] = [named('7'), named('8')]
    await plugin.driver.createNetwork(first, never)
    await plugin.driver.createNetwork(second, never)
    await plugin.driver.deleteNetwork(first.networkId, never)
    expect(await host.ovs.vsctl('list-br')).toBe('shared')
    await plugin.driver.deleteNetwork(second.networkId, never)
    expect(await host.ovs.vsctl('list-br')).toBe('')
  })

  it("hands a bridge over to the operator whose port is on it, instead of removing that port's row", async () => {
    const request = networkRequest({ options: { 'ovs.bridge.name': 'shared' } })
    await plugin.driver.createNetwork(request, never)
    await host.netns.exec('ip', 'link', 'add', 'name', 'eth2', 'type', 'veth', 'peer', 'name', 'x')
    await host.ovs.vsctl('add-port', 'shared', 'eth2')
    await plugin.driver.createEndpoint(endpointRequest(request.networkId), never)
    await plugin.driver.deleteNetwork(request.networkId, never)
    expect(await host.ovs.vsctl('list-ports', 'shared')).toBe('eth2')
    expect(await host.ovs.vsctl('get', 'Bridge', 'shared', 'external_ids')).toBe('{}')
  })

  it.each([
    [{ 'ovs.bridge.name': 'taken' }, /this host has a link of that name which is no Open vSwitch bridge/],
    [{ 'ovs.bridge.userspace': 'false' }, /kernel datapath, which this host's kernel does not have/],
    [{ 'ovs.bridge.vlan': '4095' }, /allowed is a VLAN id from 1 to 4094/],
  ])('that cannot be made leaves nothing behind: %j', async (options, message) => {
    await host.netns.exec('ip', 'link', 'add', 'name', 'taken', 'type', 'veth', 'peer', 'name', 'x')
    await expect(plugin.driver.createNetwork(networkRequest({ options }), never)).rejects.toThrow(message)
    expect(await host.ovs.vsctl('list-br')).toBe('')
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')).not.toContain('dovesnap')
  })

  it('is refused on the bridge of another that contradicts it, and that one stays as it is', async () => {
    const named = (mtu: string) =>
      networkRequest({ options: { 'ovs.bridge.name': 'shared', 'ovs.bridge.mtu': mtu } })
    await plugin.driver.createNetwork(named('1400'), never)
    await expect(plugin.driver.createNetwork(named('1500'), never)).rejects.toThrow(/contradicts/)
    expect(await host.ovs.vsctl('get', 'Interface', 'shared', 'mtu_request')).toBe('1400')
    const records = await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')
    expect(records.match(/dovesnap-network-/g)).toHaveLength(1)
  })
})
