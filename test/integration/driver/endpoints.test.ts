import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Host, Process } from './fixture'
import { attach, endpointRequest, makeHost, networkRequest, never } from './fixture'

let host: Host
let plugin: Process
const network = networkRequest({
  options: { 'ovs.bridge.name': 'br', 'ovs.bridge.vlan': '7', 'ovs.bridge.mtu': '1400' },
  ipv4: [{ pool: '10.7.0.0/24', gateway: '10.7.0.1/24' }],
})

beforeEach(async () => {
  host = await makeHost()
  plugin = await host.startProcess()
  await plugin.driver.createNetwork(network, never)
})

afterEach(async () => {
  await host.dispose()
})

describe('an endpoint', () => {
  it('is a veth pair whose one end is a marked port of the bridge', async () => {
    const request = endpointRequest(network.networkId)
    const { macAddress } = await plugin.driver.createEndpoint(request, never)
    expect(macAddress).toBe('02:42:0a:07:00:02')
    const port = `ovs-veth0-${request.endpointId.slice(0, 5)}`
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe(port)
    expect(await host.ovs.vsctl('get', 'Port', port, 'tag')).toBe('7')
    // ovs-vsctl quotes what does not begin with a letter.
    const ids = (await host.ovs.vsctl('get', 'Port', port, 'external_ids')).replaceAll('"', '')
    expect(ids).toBe(
      `{attached-mac=02:42:0a:07:00:02, dovesnap-endpoint=${request.endpointId}, owner=dovesnap}`,
    )
    const { ofport } = plugin.driver.endpointInfo(request)
    expect(await host.ovs.vsctl('get', 'Interface', port, 'ofport')).toBe(String(ofport))
    expect(plugin.driver.endpointInfo(request)).toMatchObject({
      bridge: 'br',
      port,
      vlan: 7,
      mac: macAddress,
    })
    const { linkName } = await plugin.driver.join(request, never)
    const { stdout } = await host.netns.exec('ip', '-json', 'link', 'show', 'dev', linkName)
    expect(JSON.parse(stdout)).toMatchObject([{ mtu: 1400, address: '02:42:0a:07:00:02' }])
  })

  it('keeps the MAC address and the VLAN that the user named, and returns no MAC address then', async () => {
    const request = endpointRequest(network.networkId, {
      macAddress: '0e:00:00:00:00:01',
      options: { 'ovs.bridge.vlan': '9' },
    })
    expect(await plugin.driver.createEndpoint(request, never)).toEqual({})
    const { port, vlan } = plugin.driver.endpointInfo(request)
    expect(vlan).toBe(9)
    expect(await host.ovs.vsctl('get', 'Port', String(port), 'external_ids:attached-mac')).toBe(
      '"0e:00:00:00:00:01"',
    )
  })

  it('is joined with the gateway the user named', async () => {
    const request = endpointRequest(network.networkId)
    await plugin.driver.createEndpoint(request, never)
    expect(await plugin.driver.join(request, never)).toEqual({
      linkName: `ethc${request.endpointId.slice(0, 5)}`,
      containerLinkPrefix: 'eth',
      ipv4Gateway: '10.7.0.1',
      disableGatewayService: false,
    })
  })

  it('leaves nothing behind when deleted, with or without a container, and once more', async () => {
    const before = await host.linkNames()
    const request = endpointRequest(network.networkId)
    await plugin.driver.createEndpoint(request, never)
    await plugin.driver.join(request, never)
    await plugin.driver.leave(request, never)
    await plugin.driver.deleteEndpoint(request, never)
    await plugin.driver.deleteEndpoint(request, never)
    const gone = endpointRequest(network.networkId)
    await plugin.driver.createEndpoint(gone, never)
    const { linkName } = await plugin.driver.join(gone, never)
    await host.netns.exec('ip', 'link', 'del', 'dev', linkName)
    await plugin.driver.deleteEndpoint(gone, never)
    expect(await host.linkNames()).toEqual(before)
    expect(await host.ovs.vsctl('--columns=name', 'list', 'Port')).not.toContain('ovs-veth0')
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')).not.toContain('endpoint')
    expect((await host.netns.exec('nft', 'list', 'ruleset')).stdout).not.toContain('ovs-veth0')
  })

  it('takes another piece of its id where a link or a port has its name', async () => {
    const id = `aaaaabc${'0'.repeat(57)}`
    await host.netns.exec('ip', 'link', 'add', 'name', 'ovs-veth0-aaaaa', 'type', 'veth', 'peer', 'name', 'x')
    await host.netns.exec('ip', 'link', 'add', 'name', 'ethcaaaab', 'type', 'veth', 'peer', 'name', 'y')
    await plugin.driver.createEndpoint(endpointRequest(network.networkId, { endpointId: id }), never)
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe('ovs-veth0-aaabc')
  })

  it('is made again by a second request with the same id', async () => {
    const request = endpointRequest(network.networkId)
    await plugin.driver.createEndpoint(request, never)
    await plugin.driver.createEndpoint(request, never)
    expect((await host.ovs.vsctl('list-ports', 'br')).split('\n')).toHaveLength(1)
  })

  it('is made and deleted by the fifty at once, in far fewer transactions', async () => {
    const before = Number(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg'))
    const requests = Array.from({ length: 50 }, (_, n) =>
      endpointRequest(network.networkId, { ipv4Address: `10.7.0.${n + 2}/24` }),
    )
    await Promise.all(requests.map((request) => attach(plugin, request)))
    const ofports = requests.map((request) => plugin.driver.endpointInfo(request)['ofport'])
    expect(new Set(ofports).size).toBe(50)
    const transactions = Number(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')) - before
    expect(transactions).toBeLessThan(50)
    await Promise.all(requests.map((request) => plugin.driver.deleteEndpoint(request, never)))
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe('')
  }, 60_000)

  it('that the engine gave up on leaves nothing behind', async () => {
    const before = await host.linkNames()
    const request = endpointRequest(network.networkId)
    const engine = new AbortController()
    const creation = plugin.driver.createEndpoint(request, engine.signal)
    setImmediate(() => {
      engine.abort(new Error('hung up'))
    })
    await expect(creation).rejects.toThrow()
    expect(await host.linkNames()).toEqual(before)
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe('')
  })

  it('takes another piece of its id where an operator has a port of its name without a link', async () => {
    const request = endpointRequest(network.networkId)
    const port = `ovs-veth0-${request.endpointId.slice(0, 5)}`
    await host.ovs.vsctl('add-br', 'other', '--', 'set', 'bridge', 'other', 'datapath_type=netdev')
    await host.ovs.vsctl('--no-wait', 'add-port', 'other', port)
    await plugin.driver.createEndpoint(request, never)
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe(`ovs-veth0-${request.endpointId.slice(1, 6)}`)
    expect(await host.ovs.vsctl('list-ports', 'other')).toBe(port)
  })

  it('of an unknown network is refused with what to do', async () => {
    const request = endpointRequest('f'.repeat(64))
    await expect(plugin.driver.createEndpoint(request, never)).rejects.toThrow(
      'network ffffffffffff is not known to this switch: remove it with docker network rm and create it again',
    )
  })

  it('is refused in good time, with the reason, while ovs-vswitchd does not run', async () => {
    const before = await host.linkNames()
    await host.ovs.stopSwitchd()
    const request = endpointRequest(network.networkId)
    await plugin.driver.createEndpoint(request, never)
    await expect(plugin.driver.join(request, never)).rejects.toThrow(
      /^gave up to open port ovs-veth0-\w{5}: ovs-vswitchd did not apply the change in time/,
    )
    await plugin.driver.deleteEndpoint(request, never)
    await host.ovs.startSwitchd()
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe('')
    expect((await host.linkNames()).toSorted()).toEqual(before.toSorted())
  }, 30_000)
})
