import { describe, expect, it } from '@jest/globals'
import { desiredEndpoint, desiredFilter, desiredGateway, heldPort, redirectedPorts } from './desired'
import type { EndpointRecord, NetworkRecord, PublishedRecord } from './records'

const network = (more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: 'n1',
  bridge: 'br0',
  foreignBridge: false,
  gatewayLink: 'br0',
  options: { 'ovs.bridge.mode': 'nat' },
  internal: false,
  ipv4: [{ pool: '10.1.0.0/24', gateway: '10.1.0.1/24' }],
  ipv6: [],
  ...more,
})

const endpoint = (more: Partial<EndpointRecord> = {}): EndpointRecord => ({
  id: 'e1',
  networkId: 'n1',
  hostLink: 'h',
  containerLink: 'c',
  macAddress: '02:42:0a:01:00:02',
  ipv4Address: '10.1.0.2/24',
  options: {},
  joined: true,
  published: [],
  unpublishable: [],
  ...more,
})

const port = (more: Partial<PublishedRecord> = {}): PublishedRecord => ({
  protocol: 'tcp',
  hostPort: 8080,
  containerPort: 80,
  ...more,
})

describe('the link of an endpoint', () => {
  const bridge = { name: 'br0', owned: true, datapath: 'system', mtu: 1450 } as const

  it.each([
    ['the kernel datapath', 'system', false, true, false],
    ['the userspace datapath with segmentation offload', 'netdev', true, true, true],
    ['the userspace datapath without it', 'netdev', false, false, true],
  ] as const)('on %s', (_, datapath, segmentation, transmitOffload, bypassHostStack) => {
    const { veth } = desiredEndpoint(endpoint(), network(), { ...bridge, datapath }, segmentation)
    expect(veth).toMatchObject({ transmitOffload, bypassHostStack, mtu: 1450 })
  })

  it('has the VLAN of the endpoint rather than of the network, and is isolated where icc is off', () => {
    const options = { 'ovs.bridge.vlan': '7', 'ovs.bridge.icc': 'false' }
    const ofNetwork = desiredEndpoint(endpoint(), network({ options }), bridge, false).port
    expect(ofNetwork).toMatchObject({ vlan: 7, isolated: true })
    const own = endpoint({ options: { 'ovs.bridge.vlan': '9' } })
    expect(desiredEndpoint(own, network({ options }), bridge, false).port.vlan).toBe(9)
    expect(desiredEndpoint(endpoint(), network(), bridge, false).port).not.toHaveProperty('vlan')
  })
})

describe("a network's gateway", () => {
  it('has the gateway address of every subnet', () => {
    const ipv6 = [{ pool: 'fd00::/64', gateway: 'fd00::1/64' }]
    expect(desiredGateway(network({ ipv6 }), 1450)).toEqual({
      name: 'br0',
      addresses: ['10.1.0.1/24', 'fd00::1/64'],
      mtu: 1450,
    })
  })

  it('is not this host on a flat network', () => {
    const { gatewayLink, ...flat } = network({ options: {} })
    expect(gatewayLink).toBeDefined()
    expect(desiredGateway(flat, 1450)).toBeUndefined()
    expect(desiredFilter(flat, [])).toBeUndefined()
  })
})

describe("a network's packet filter", () => {
  it('masquerades in nat mode only', () => {
    expect(desiredFilter(network(), [])).toMatchObject({
      link: 'br0',
      masquerade: true,
      interContainer: true,
    })
    const routed = network({ options: { 'ovs.bridge.mode': 'routed', 'ovs.bridge.icc': 'false' } })
    expect(desiredFilter(routed, [])).toMatchObject({ masquerade: false, interContainer: false })
  })

  it('redirects the ports of its endpoints', () => {
    expect(desiredFilter(network(), [endpoint({ published: [port()] })])?.published).toEqual([
      { protocol: 'tcp', hostPort: 8080, containerAddress: '10.1.0.2', containerPort: 80 },
    ])
  })
})

describe('a published port', () => {
  const dualStack = { ipv4Address: '10.1.0.2/24', ipv6Address: 'fd00::2/64' }
  const targets = (endpoint: EndpointRecord, hostAddress?: string): readonly string[] =>
    heldPort(endpoint, port(hostAddress === undefined ? {} : { hostAddress }), 8080, 8080).bindings.map(
      ({ address, target }) => `${address} -> ${target.address}`,
    )
  const redirects = (endpoint: Partial<EndpointRecord>, hostAddress?: string): readonly string[] =>
    redirectedPorts(endpointWith(endpoint, hostAddress)).map(
      ({ hostAddress: host, containerAddress }) => `${host ?? 'any'} -> ${containerAddress}`,
    )
  const endpointWith = (more: Partial<EndpointRecord>, hostAddress?: string): EndpointRecord =>
    endpoint({ ...more, published: [port(hostAddress === undefined ? {} : { hostAddress })] })

  it('is held at every address of both families, and relayed within the family where it can be', () => {
    expect(targets(endpoint(dualStack))).toEqual(['0.0.0.0 -> 10.1.0.2', ':: -> fd00::2'])
    expect(targets(endpoint())).toEqual(['0.0.0.0 -> 10.1.0.2', ':: -> 10.1.0.2'])
  })

  it('is held at the one address that the user named', () => {
    expect(targets(endpoint(), '::1')).toEqual(['::1 -> 10.1.0.2'])
    expect(targets(endpoint(dualStack), '192.0.2.1')).toEqual(['192.0.2.1 -> 10.1.0.2'])
  })

  it('is redirected in each family of the container', () => {
    expect(redirects(dualStack)).toEqual(['any -> 10.1.0.2', 'any -> fd00::2'])
    expect(redirects(dualStack, '192.0.2.1')).toEqual(['192.0.2.1 -> 10.1.0.2'])
    expect(redirects(dualStack, '::')).toEqual(['any -> fd00::2'])
  })

  it('is left to the relay at loopback addresses and across families', () => {
    expect(redirects(dualStack, '127.0.0.1')).toEqual([])
    expect(redirects(dualStack, '::1')).toEqual([])
    expect(redirects({}, '2001:db8::1')).toEqual([])
  })
})
