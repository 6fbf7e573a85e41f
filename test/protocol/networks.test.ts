import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals'
import type { Engine, NetworkOptions } from './engine'
import { networkBody, newId } from './engine'
import type { HostState, Plugin, PluginHost } from './plugin-host'
import { makePluginHost } from './plugin-host'

jest.setTimeout(60_000)

let host: PluginHost
let plugin: Plugin
let engine: Engine
let untouched: HostState

beforeAll(async () => {
  host = await makePluginHost()
  plugin = await host.startPlugin()
  engine = plugin.engine
  untouched = await host.state()
})

afterEach(async () => {
  const { ports, records } = await host.state()
  expect({ ports, records }).toEqual({ ports: untouched.ports, records: untouched.records })
  // ovs-vswitchd closes the devices of bridges in its own time.
  await host.untilState(untouched, 5)
})

afterAll(async () => {
  await host.dispose()
})

const bridgeOf = (network: string): string => `ovsbr-${network.slice(0, 5)}`
const remove = (NetworkID: string) => engine.call('DeleteNetwork', { NetworkID })

describe('CreateNetwork', () => {
  const v4 = { Pool: '10.9.0.0/24', Gateway: '10.9.0.1/24' }
  const v6 = { Pool: 'fd00:9::/64', Gateway: 'fd00:9::1/64' }
  const cases: readonly (readonly [string, NetworkOptions])[] = [
    ['one subnet', {}],
    ['null IPv6Data', { ipv6: null }],
    ['several subnets', { ipv4: [v4, { Pool: '10.10.0.0/24' }] }],
    ['null IPAM', { ipv4: [{ AddressSpace: 'null', Pool: '0.0.0.0/0' }] }],
    [
      'auxiliary addresses',
      { ipv4: [{ ...v4, AuxAddresses: { router: '10.9.0.5/24', plain: '10.9.0.6' } }] },
    ],
    ['--internal', { ipv4: [v4], internal: true }],
    ['IPv6', { ipv4: [v4], ipv6: [v6] }],
    ['no address at all', { ipv4: null, ipv6: null }],
    ['options for other drivers', { generic: { 'com.example.label': 'x' } }],
  ]

  it.each(cases)('T20 with %s makes a bridge, and DeleteNetwork removes it', async (_what, options) => {
    const network = await engine.createNetwork(options)
    expect(await host.ovs.vsctl('list-br')).toBe(bridgeOf(network))
    await remove(network)
  })

  it('T20 as engines before 28 ask for it', async () => {
    const NetworkID = newId()
    const Options = { 'com.docker.network.enable_ipv6': false, 'com.docker.network.generic': {} }
    await engine.call('CreateNetwork', { NetworkID, Options, IPv4Data: [v4], IPv6Data: [] })
    expect(await host.ovs.vsctl('list-br')).toBe(bridgeOf(NetworkID))
    await remove(NetworkID)
  })

  const refused: readonly (readonly [string, NetworkOptions, RegExp])[] = [
    ['an unknown option', { generic: { 'ovs.bridge.nmae': 'x' } }, /ovs\.bridge\.nmae.*ovs\.bridge\.name/],
    ['a bad mode', { generic: { 'ovs.bridge.mode': 'bridged' } }, /ovs\.bridge\.mode=bridged.*flat/],
    ['a bad VLAN', { generic: { 'ovs.bridge.vlan': '4095' } }, /ovs\.bridge\.vlan=4095.*4094/],
    ['a bad MTU', { generic: { 'ovs.bridge.mtu': '12' } }, /ovs\.bridge\.mtu=12/],
    ['a long bridge name', { generic: { 'ovs.bridge.name': 'a-name-of-16-let' } }, /ovs\.bridge\.name=.*15/],
    ['two gateways', { ipv4: [v4, { Pool: '10.10.0.0/24', Gateway: '10.10.0.1/24' }] }, /2 IPv4 gateways/],
    ['a small MTU with IPv6', { ipv6: [v6], generic: { 'ovs.bridge.mtu': '1000' } }, /1280/],
  ]

  it.each(refused)(
    'T21 with %s is refused in one sentence, and makes nothing',
    async (_what, options, words) => {
      await expect(engine.createNetwork(options)).rejects.toThrow(words)
    },
  )

  it('T21 an option that is no string is refused by name', async () => {
    const body = {
      ...networkBody(newId(), {}),
      Options: { 'com.docker.network.generic': { 'ovs.bridge.mtu': 9 } },
    }
    await expect(engine.call('CreateNetwork', body)).rejects.toThrow(
      /option ovs\.bridge\.mtu must be a string/,
    )
  })

  it('T22 twice the same is one network', async () => {
    const network = await engine.createNetwork({ ipv4: [v4] })
    const once = await host.state()
    await engine.createNetwork({ ipv4: [v4] }, network)
    expect(await host.state()).toEqual(once)
    await remove(network)
  })

  it('T22 the same id with other addresses is refused', async () => {
    const network = await engine.createNetwork({ ipv4: [v4] })
    const once = await host.state()
    await expect(engine.createNetwork({ ipv4: [{ Pool: '10.10.0.0/24' }] }, network)).rejects.toThrow(
      /exists already/,
    )
    expect(await host.state()).toEqual(once)
    await remove(network)
  })

  it('T22 of many networks at once, each has its bridge', async () => {
    const networks = await Promise.all(Array.from({ length: 8 }, () => engine.createNetwork()))
    const bridges = (await host.ovs.vsctl('list-br')).split('\n')
    expect(bridges.toSorted()).toEqual(networks.map(bridgeOf).toSorted())
    await Promise.all(networks.map(remove))
  })
})

describe('DeleteNetwork', () => {
  it('T23 of an unknown network succeeds, and of a known one twice', async () => {
    expect(await remove(newId())).toEqual({})
    const network = await engine.createNetwork()
    expect(await remove(network)).toEqual({})
    expect(await remove(network)).toEqual({})
  })

  it('T23 takes the endpoints along that Docker has forgotten', async () => {
    const network = await engine.createNetwork()
    await engine.createEndpoint(network, { Address: '10.9.0.2/24' })
    await remove(network)
  })
})

describe('a restarted plugin', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'T24 after %s knows its networks and endpoints',
    async (signal) => {
      const network = await engine.createNetwork({ ipv4: [{ Pool: '10.9.0.0/24', Gateway: '10.9.0.1/24' }] })
      const endpoint = await engine.createEndpoint(network, { Address: '10.9.0.2/24' })
      const joined = await engine.join(endpoint)
      const before = await host.state()
      await plugin.stop(signal)
      expect(await host.state()).toEqual(before)
      plugin = await host.startPlugin()
      engine = plugin.engine
      expect(await engine.join(endpoint)).toEqual(joined)
      const second = await engine.createEndpoint(network, { Address: '10.9.0.3/24' })
      expect(second.returned.MacAddress).toMatch(/:/)
      expect(await host.state()).not.toEqual(before)
      await engine.call('DeleteEndpoint', endpoint)
      await engine.call('DeleteEndpoint', second)
      await remove(network)
    },
  )
})
