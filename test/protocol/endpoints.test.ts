import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { Engine } from './engine'
import { newId } from './engine'
import type { HostState, PluginHost } from './plugin-host'
import { makePluginHost } from './plugin-host'
import { fetchAcross } from './talk'

jest.setTimeout(60_000)

const PORT_MAP = 'com.docker.network.portmap'
const Address = '10.9.0.2/24'

let host: PluginHost
let engine: Engine
let network: string
let bare: HostState

beforeAll(async () => {
  host = await makePluginHost()
  engine = (await host.startPlugin()).engine
})

beforeEach(async () => {
  network = await engine.createNetwork({
    ipv4: [{ Pool: '10.9.0.0/24', Gateway: '10.9.0.1/24' }],
    ipv6: [{ Pool: 'fd00:9::/64', Gateway: 'fd00:9::1/64' }],
    generic: { 'ovs.bridge.mtu': '1400' },
  })
  bare = await host.state()
})

afterEach(async () => {
  expect(await host.state()).toEqual(bare)
  await engine.call('DeleteNetwork', { NetworkID: network })
})

afterAll(async () => {
  await host.dispose()
})

const remove = (endpoint: object) => engine.call('DeleteEndpoint', endpoint)
const ids = () => ({ NetworkID: network, EndpointID: newId() })

interface LinkFacts {
  readonly address: string
  readonly mtu: number
}

async function link(name: string): Promise<LinkFacts> {
  const { stdout } = await host.netns.exec('ip', '-json', 'link', 'show', 'dev', name)
  const [facts] = JSON.parse(stdout) as readonly LinkFacts[]
  if (facts === undefined) throw new Error(`no link ${name}`)
  return facts
}

async function operInfo(endpoint: object): Promise<Readonly<Record<string, unknown>>> {
  const { Value } = await engine.call('EndpointOperInfo', endpoint)
  return Value as Readonly<Record<string, unknown>>
}

describe('CreateEndpoint', () => {
  it('T30 returns a MAC address where none was given: unicast, locally administered, the link has it', async () => {
    const endpoint = await engine.createEndpoint(network, { Address })
    expect(Object.keys(endpoint.returned)).toEqual(['MacAddress'])
    const mac = endpoint.returned.MacAddress ?? ''
    expect(mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)
    expect(parseInt(mac, 16) & 0b11).toBe(0b10)
    const { InterfaceName } = await engine.join(endpoint)
    expect((await link(InterfaceName.SrcName)).address).toBe(mac)
    await remove(endpoint)
  })

  it('T30 returns the same for the same address at the next start', async () => {
    const first = await engine.createEndpoint(network, { Address })
    await remove(first)
    const second = await engine.createEndpoint(network, { Address })
    expect(second.returned).toEqual(first.returned)
    await remove(second)
  })

  it('T31 uses the MAC address that was given, and returns none', async () => {
    const assigned = { Address, MacAddress: '0E:11:22:33:44:5F' }
    const endpoint = await engine.createEndpoint(network, assigned)
    expect(endpoint.returned).toEqual({})
    const { InterfaceName } = await engine.join(endpoint)
    expect((await link(InterfaceName.SrcName)).address).toBe('0e:11:22:33:44:5f')
    await remove(endpoint)
  })

  it.each([
    ['null', null],
    ['empty', {}],
    ['of empty strings', { Address: '', AddressIPv6: '', MacAddress: '' }],
  ])('T32 an interface that is %s gets a MAC address all the same', async (_what, Interface) => {
    const endpoint = ids()
    const answer = await engine.call('CreateEndpoint', { ...endpoint, Interface, Options: null })
    expect(answer).toEqual({ Interface: { MacAddress: expect.stringMatching(/^([0-9a-f]{2}:){5}/) } })
    await remove(endpoint)
  })

  it('T33 on an unknown network says so', async () => {
    await expect(engine.createEndpoint(newId(), { Address })).rejects.toThrow(
      /^remote: network .* is not known/,
    )
  })

  it('T34 twice is one endpoint', async () => {
    const endpoint = await engine.createEndpoint(network, { Address })
    const once = await host.state()
    const again = await engine.createEndpoint(network, { Address }, {}, endpoint.EndpointID)
    expect(again.returned).toEqual(endpoint.returned)
    expect(await host.state()).toEqual(once)
    await remove(endpoint)
  })

  it('T35 the MAC address among the options changes nothing', async () => {
    const options = { 'com.docker.network.endpoint.macaddress': 'AkKsEQAC' }
    const endpoint = await engine.createEndpoint(network, { Address }, options)
    const plain = await engine.createEndpoint(network, { Address })
    expect(endpoint.returned).toEqual(plain.returned)
    await remove(endpoint)
    await remove(plain)
  })

  it("T36 T37 the OVS port is the endpoint's, with the VLAN of its own option and the network's MTU", async () => {
    const endpoint = await engine.createEndpoint(network, { Address }, { 'ovs.bridge.vlan': '7' })
    const { port } = await operInfo(endpoint)
    const columns = async (table: string, column: string) =>
      host.ovs.vsctl('get', table, String(port), column)
    expect(await columns('Port', 'external_ids')).toContain(endpoint.EndpointID)
    expect(await columns('Port', 'tag')).toBe('7')
    expect(await host.ovs.vsctl('port-to-br', String(port))).toBe(`ovsbr-${network.slice(0, 5)}`)
    expect(Number(await columns('Interface', 'ofport'))).toBeGreaterThan(0)
    const { InterfaceName } = await engine.join(endpoint)
    expect([(await link(String(port))).mtu, (await link(InterfaceName.SrcName)).mtu]).toEqual([1400, 1400])
    await remove(endpoint)
  })

  it('T36 an unknown option of the endpoint is refused', async () => {
    await expect(engine.createEndpoint(network, { Address }, { 'ovs.bridge.vlna': '7' })).rejects.toThrow(
      /ovs\.bridge\.vlna.*ovs\.bridge\.vlan/,
    )
  })

  it('of many at once, each has its port', async () => {
    const addresses = Array.from({ length: 12 }, (_, index) => `10.9.0.${index + 10}/24`)
    const endpoints = await Promise.all(
      addresses.map((address) => engine.createEndpoint(network, { Address: address })),
    )
    const ports = await Promise.all(endpoints.map(async (endpoint) => (await operInfo(endpoint))['port']))
    const onBridge = await host.ovs.vsctl('list-ports', `ovsbr-${network.slice(0, 5)}`)
    expect(onBridge.split('\n').toSorted()).toEqual(ports.map(String).toSorted())
    await Promise.all(endpoints.map(remove))
  })
})

describe('Join', () => {
  it("T40 T41 names a link of the host, and gateways without a prefix, before the container's namespace exists", async () => {
    const endpoint = await engine.createEndpoint(network, { Address, AddressIPv6: 'fd00:9::2/64' })
    const joined = await engine.join(endpoint)
    expect(joined).toMatchObject({
      Gateway: '10.9.0.1',
      GatewayIPv6: 'fd00:9::1',
      DisableGatewayService: false,
    })
    const { SrcName, DstPrefix } = joined.InterfaceName
    expect(SrcName.length).toBeLessThanOrEqual(15)
    expect(DstPrefix).toBe('eth')
    await link(SrcName)
    await remove(endpoint)
  })

  it.each([
    ['--internal', { internal: true, ipv4: [{ Pool: '10.8.0.0/24', Gateway: '10.8.0.1/24' }] }],
    ['no gateway', { ipv4: [{ Pool: '10.8.0.0/24' }] }],
    [
      'ovs.bridge.gateway=none',
      {
        ipv4: [{ Pool: '10.8.0.0/24', Gateway: '10.8.0.1/24' }],
        generic: { 'ovs.bridge.gateway': 'none' },
      },
    ],
  ])('T40 with %s has no gateway, and wants no docker_gwbridge', async (_what, options) => {
    const other = await engine.createNetwork(options)
    const endpoint = await engine.createEndpoint(other, { Address: '10.8.0.2/24' })
    expect(await engine.join(endpoint)).toEqual({
      InterfaceName: { SrcName: expect.any(String), DstPrefix: 'eth' },
      DisableGatewayService: true,
    })
    await remove(endpoint)
    await engine.call('DeleteNetwork', { NetworkID: other })
  })

  it('T42 twice gives the same answer', async () => {
    const endpoint = await engine.createEndpoint(network, { Address })
    const first = await engine.join(endpoint)
    expect(await engine.join(endpoint)).toEqual(first)
    await remove(endpoint)
  })

  it('of an unknown endpoint says so', async () => {
    await expect(engine.join(ids())).rejects.toThrow(/^remote: endpoint .* is not known/)
  })
})

describe('a container', () => {
  it('T43 reaches another one, goes, and leaves nothing', async () => {
    const [first, second] = await Promise.all([host.makeContainer(), host.makeContainer()])
    const one = await engine.attach(host.netns, first, network, { Address, AddressIPv6: 'fd00:9::2/64' })
    const two = await engine.attach(host.netns, second, network, {
      Address: '10.9.0.3/24',
      AddressIPv6: 'fd00:9::3/64',
    })
    expect(await fetchAcross(first, second, '10.9.0.3')).toBe('hello')
    expect(await fetchAcross(second, first, 'fd00:9::2')).toBe('hello')
    expect((await first.exec('ip', 'route', 'show', 'default')).stdout).toContain('via 10.9.0.1 dev eth0')
    await engine.detach(host.netns, one)
    await engine.detach(host.netns, two)
  })

  it('T44 may be gone with its namespace before Leave and DeleteEndpoint', async () => {
    const container = await host.makeContainer()
    const attached = await engine.attach(host.netns, container, network, { Address })
    await container.dispose()
    expect(await engine.call('Leave', attached)).toEqual({})
    expect(await remove(attached)).toEqual({})
  })
})

describe('Leave and DeleteEndpoint', () => {
  it('T45 succeed in any order, and of what is unknown', async () => {
    expect(await engine.call('Leave', ids())).toEqual({})
    expect(await remove(ids())).toEqual({})
    const never = await engine.createEndpoint(network, { Address })
    expect(await engine.call('Leave', never)).toEqual({})
    expect(await remove(never)).toEqual({})
    const joined = await engine.createEndpoint(network, { Address })
    await engine.join(joined)
    expect(await remove(joined)).toEqual({})
    expect(await remove(joined)).toEqual({})
  })

  it('T46 DeleteEndpoint removes the row of a link that a reboot took', async () => {
    const endpoint = await engine.createEndpoint(network, { Address })
    const { InterfaceName } = await engine.join(endpoint)
    await host.netns.exec('ip', 'link', 'delete', 'dev', InterfaceName.SrcName)
    expect(await remove(endpoint)).toEqual({})
  })
})

describe('ports and facts', () => {
  it('T50 nothing is published on a flat network, and nothing to publish is fine', async () => {
    const endpoint = await engine.createEndpoint(network, { Address })
    const publish = (ports: unknown) =>
      engine.call('ProgramExternalConnectivity', { ...endpoint, Options: { [PORT_MAP]: ports } })
    const binding = { IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8080 }
    await expect(publish([{ ...binding, Proto: 6 }])).rejects.toThrow(
      /^remote: cannot publish 80\/tcp on a flat/,
    )
    await expect(publish([{ ...binding, Proto: 1 }])).rejects.toThrow(/IP protocol 1 cannot be published/)
    expect(await publish([])).toEqual({})
    expect(await publish(null)).toEqual({})
    expect(await engine.call('RevokeExternalConnectivity', endpoint)).toEqual({})
    await remove(endpoint)
  })

  it('T60 EndpointOperInfo tells where the endpoint is', async () => {
    const endpoint = await engine.createEndpoint(network, { Address })
    await engine.join(endpoint)
    expect(await operInfo(endpoint)).toEqual({
      bridge: `ovsbr-${network.slice(0, 5)}`,
      port: expect.any(String),
      ofport: expect.any(Number),
      mac: endpoint.returned.MacAddress,
      ipv4: Address,
    })
    await remove(endpoint)
  })
})
