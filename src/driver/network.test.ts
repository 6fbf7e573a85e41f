import { describe, expect, it } from '@jest/globals'
import { DriverError } from '../errors'
import type { AddressPool, CreateNetworkRequest } from './api'
import { gatewaysFor, planNetwork, refuseOverlapsWith } from './network'
import type { EndpointRecord, NetworkRecord } from './records'

const request = (more: Partial<CreateNetworkRequest> = {}): CreateNetworkRequest => ({
  networkId: 'n1',
  options: {},
  internal: false,
  ipv4: [{ pool: '10.1.0.0/24' }],
  ipv6: [],
  ...more,
})

const network = (more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: 'aaaaaaaaaaaaaaaa',
  bridge: 'br0',
  foreignBridge: false,
  options: {},
  internal: false,
  ipv4: [],
  ipv6: [],
  ...more,
})

const endpoint = (more: Partial<EndpointRecord> = {}): EndpointRecord => ({
  id: 'e1',
  networkId: 'aaaaaaaaaaaaaaaa',
  hostLink: 'h',
  containerLink: 'c',
  macAddress: '02:42:0a:01:00:02',
  options: {},
  joined: false,
  published: [],
  unpublishable: [],
  ...more,
})

describe('planning a network', () => {
  const twoGateways = [
    { pool: '10.1.0.0/24', gateway: '10.1.0.1/24' },
    { pool: '10.2.0.0/24', gateway: '10.2.0.1/24' },
  ]

  it('refuses two gateways of one family, naming them', () => {
    expect(() => planNetwork(request({ ipv4: twoGateways }))).toThrow(
      /^2 IPv4 gateways \(10\.1\.0\.1, 10\.2\.0\.1\), but a container has one default route/,
    )
  })

  it('accepts them where no container gets a default route', () => {
    expect(() =>
      planNetwork(request({ ipv4: twoGateways, options: { 'ovs.bridge.gateway': 'none' } })),
    ).not.toThrow()
    expect(() => planNetwork(request({ ipv4: twoGateways, internal: true }))).not.toThrow()
  })

  it('accepts one gateway in each family', () => {
    const ipv4 = [{ pool: '10.1.0.0/24', gateway: '10.1.0.1/24' }]
    const ipv6 = [{ pool: 'fd00::/64', gateway: 'fd00::1/64' }]
    expect(() => planNetwork(request({ ipv4, ipv6 }))).not.toThrow()
  })

  it('refuses an MTU below 1280 only where the network has IPv6', () => {
    const options = { 'ovs.bridge.mtu': '1279' }
    expect(() => planNetwork(request({ options }))).not.toThrow()
    expect(() => planNetwork(request({ options, ipv6: [{ pool: 'fd00::/64' }] }))).toThrow(/needs 1280 bytes/)
  })
})

describe('planning a nat or routed network', () => {
  const plan = (mode: string, ...ipv4: readonly AddressPool[]): unknown =>
    planNetwork(request({ ipv4, options: { 'ovs.bridge.mode': mode } }))

  it('accepts several subnets, each with its gateway', () => {
    expect(() =>
      plan(
        'nat',
        { pool: '10.1.0.0/24', gateway: '10.1.0.1/24' },
        { pool: '10.2.0.0/24', gateway: '10.2.0.1/24' },
      ),
    ).not.toThrow()
  })

  it.each([
    ['no subnet', [{ pool: '0.0.0.0/0' }], /^a nat network needs a subnet/],
    ['no gateway', [{ pool: '10.1.0.0/24' }], /^a nat network needs a gateway in subnet 10\.1\.0\.0\/24/],
    [
      'a gateway elsewhere',
      [{ pool: '10.1.0.0/24', gateway: '10.2.0.1/24' }],
      /^gateway 10\.2\.0\.1 is not an address of a host in subnet 10\.1\.0\.0\/24/,
    ],
    [
      "the network's own address for a gateway",
      [{ pool: '10.1.0.0/24', gateway: '10.1.0.0/24' }],
      /not an address/,
    ],
    [
      'the broadcast address for a gateway',
      [{ pool: '10.1.0.0/24', gateway: '10.1.0.255/24' }],
      /not an address/,
    ],
    [
      'overlapping subnets',
      [
        { pool: '10.1.0.0/16', gateway: '10.1.0.1/16' },
        { pool: '10.1.7.0/24', gateway: '10.1.7.1/24' },
      ],
      /^subnet 10\.1\.0\.0\/16 overlaps with 10\.1\.7\.0\/24 of the same network/,
    ],
  ] as const)('refuses %s', (_, pools, message) => {
    expect(() => plan('nat', ...pools)).toThrow(message)
    expect(() => plan('routed', ...pools)).toThrow(DriverError)
  })

  it('refuses the subnet of another nat or routed network, and no flat one', () => {
    const ipv4 = [{ pool: '10.1.0.0/24', gateway: '10.1.0.1/24' }]
    const of = (id: string, mode: string): NetworkRecord =>
      network({ id, ipv4, options: { 'ovs.bridge.mode': mode } })
    expect(() => {
      refuseOverlapsWith(of('a', 'nat'), [of('b', 'routed')])
    }).toThrow('subnet 10.1.0.0/24 overlaps with 10.1.0.0/24 of network b')
    expect(() => {
      refuseOverlapsWith(of('a', 'nat'), [of('b', 'flat')])
      refuseOverlapsWith(of('a', 'flat'), [of('b', 'nat')])
    }).not.toThrow()
  })
})

describe('the gateways of a container', () => {
  const ipv4 = [{ pool: '10.1.0.0/24', gateway: '10.1.0.254/24' }, { pool: '10.2.0.0/24' }]
  const ipv6 = [{ pool: 'fd00:1::/64', gateway: 'fd00:1::1/64' }]
  const dualStack = { ipv4Address: '10.1.0.2/24', ipv6Address: 'fd00:1::2/64' }

  it('are plain addresses of its own subnets', () => {
    expect(gatewaysFor(network({ ipv4, ipv6 }), endpoint(dualStack))).toEqual({
      ipv4Gateway: '10.1.0.254',
      ipv6Gateway: 'fd00:1::1',
    })
  })

  it('do not include one that is not on-link', () => {
    expect(gatewaysFor(network({ ipv4 }), endpoint({ ipv4Address: '10.2.0.2/24' }))).toEqual({})
  })

  it('are none on an internal network, on one that shall have none, and without an address', () => {
    expect(gatewaysFor(network({ ipv4, ipv6, internal: true }), endpoint(dualStack))).toEqual({})
    const options = { 'ovs.bridge.gateway': 'none' }
    expect(gatewaysFor(network({ ipv4, ipv6, options }), endpoint(dualStack))).toEqual({})
    expect(gatewaysFor(network({ ipv4: [{ pool: '0.0.0.0/0' }] }), endpoint())).toEqual({})
  })
})
