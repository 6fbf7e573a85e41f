import { describe, expect, it } from '@jest/globals'
import { DriverError } from '../errors'
import { serve } from './test-server'

const N = 'a'.repeat(64)
const E = 'b'.repeat(64)
const endpoint = { networkId: N, endpointId: E }

const ok = (body: unknown) => ({ status: 200, body })

describe('handshake', () => {
  it('is a network driver of local scope that checks gateways', async () => {
    const { post } = serve()
    expect(await post('Plugin.Activate')).toEqual(ok({ Implements: ['NetworkDriver'] }))
    expect(await post('NetworkDriver.GetCapabilities')).toEqual(
      ok({ Scope: 'local', ConnectivityScope: 'local', GwAllocChecker: true }),
    )
  })
})

describe('GwAllocCheck', () => {
  it("hands the user's options over and answers per family", async () => {
    const { driver, post } = serve({ gatewayAllocation: () => ({ skipIPv4: true, skipIPv6: false }) })
    const Options = { 'com.docker.network.enable_ipv6': true, 'com.docker.network.generic': { k: 'v' } }
    expect(await post('NetworkDriver.GwAllocCheck', { Options })).toEqual(
      ok({ SkipIPv4: true, SkipIPv6: false }),
    )
    expect(driver.calls).toEqual([['gatewayAllocation', { k: 'v' }]])
  })

  it('shows the user what is wrong with them', async () => {
    const gatewayAllocation = () => {
      throw DriverError.of('OPTION_UNKNOWN', ['x', 'y', []])
    }
    const { post } = serve({ gatewayAllocation })
    expect(await post('NetworkDriver.GwAllocCheck', {})).toEqual(
      ok({ Err: 'unknown option x: did you mean y?' }),
    )
  })
})

describe('CreateNetwork', () => {
  const create = 'NetworkDriver.CreateNetwork'

  it('translates everything an engine sends', async () => {
    const { driver, post } = serve()
    const answer = await post(create, {
      NetworkID: N,
      Options: {
        'com.docker.network.enable_ipv4': true,
        'com.docker.network.enable_ipv6': true,
        'com.docker.network.internal': true,
        'com.docker.network.generic': { 'ovs.bridge.mode': 'flat', 'ovs.bridge.mtu': '1400' },
      },
      IPv4Data: [
        {
          AddressSpace: 'LocalDefault',
          Pool: '172.28.0.0/16',
          Gateway: '172.28.0.1/16',
          AuxAddresses: { router: '172.28.0.5/16' },
        },
        { AddressSpace: 'LocalDefault', Pool: '172.30.0.0/16', Gateway: '' },
      ],
      IPv6Data: [{ AddressSpace: 'LocalDefault', Pool: 'fd00::/64', Gateway: null }],
      SomeFutureField: { x: 1 },
    })
    expect(answer).toEqual(ok({}))
    expect(driver.calls).toEqual([
      [
        'createNetwork',
        {
          networkId: N,
          options: { 'ovs.bridge.mode': 'flat', 'ovs.bridge.mtu': '1400' },
          internal: true,
          ipv4: [{ pool: '172.28.0.0/16', gateway: '172.28.0.1/16' }, { pool: '172.30.0.0/16' }],
          ipv6: [{ pool: 'fd00::/64' }],
        },
      ],
    ])
  })

  it.each([
    ['absent', { NetworkID: N }],
    ['null', { NetworkID: N, Options: null, IPv4Data: null, IPv6Data: null }],
    ['empty', { NetworkID: N, Options: { 'com.docker.network.generic': {} }, IPv4Data: [], IPv6Data: [] }],
    ['null inside', { NetworkID: N, Options: { 'com.docker.network.generic': null } }],
  ])('takes options and pools that are %s as none', async (_what, body) => {
    const { driver, post } = serve()
    expect(await post(create, body)).toEqual(ok({}))
    const none = { networkId: N, options: {}, internal: false, ipv4: [], ipv6: [] }
    expect(driver.calls).toEqual([['createNetwork', none]])
  })

  it('passes the pools of the null IPAM driver on as they are', async () => {
    const { driver, post } = serve()
    await post(create, { NetworkID: N, IPv4Data: [{ AddressSpace: 'null', Pool: '0.0.0.0/0' }] })
    expect(driver.calls).toMatchObject([['createNetwork', { ipv4: [{ pool: '0.0.0.0/0' }] }]])
  })

  it.each([
    [
      'an option that is no string',
      { 'com.docker.network.generic': { good: 'x', bad: 5 } },
      'option bad must be a string',
    ],
    [
      'options that are no object',
      { 'com.docker.network.generic': 'x' },
      'com.docker.network.generic must be an object',
    ],
    [
      'a flag that is no boolean',
      { 'com.docker.network.internal': 'true' },
      'com.docker.network.internal must be a boolean',
    ],
  ])('refuses %s', async (_what, Options, reason) => {
    const { driver, post } = serve()
    expect(await post(create, { NetworkID: N, Options })).toEqual({
      status: 400,
      body: { Err: `bad request: ${reason}` },
    })
    expect(driver.calls).toEqual([])
  })

  it.each([
    ['no id', {}, /NetworkID/],
    ['a number for an id', { NetworkID: 5 }, /NetworkID must be string/],
    ['an id that is a path', { NetworkID: '../x' }, /NetworkID must match/],
    ['an empty id', { NetworkID: '' }, /NetworkID must match/],
    ['pools that are no array', { NetworkID: N, IPv4Data: {} }, /IPv4Data must be array/],
    ['a pool without an address', { NetworkID: N, IPv4Data: [{}] }, /Pool/],
    ['a body that is no object', [], /body must be object/],
    ['null', null, /body must be object/],
  ])('refuses %s, naming it', async (_what, body, reason) => {
    const { driver, post } = serve()
    const answer = await post(create, body)
    expect(answer.status).toBe(400)
    expect(answer.body['Err']).toMatch(reason)
    expect(driver.calls).toEqual([])
  })

  it('takes an option named like a property of every object for an option', async () => {
    const { driver, post } = serve()
    await post(create, `{"NetworkID":"${N}","Options":{"com.docker.network.generic":{"__proto__":"x"}}}`)
    const [call] = driver.calls
    const { options } = call?.[1] as { options: object }
    expect(Object.entries(options)).toEqual([['__proto__', 'x']])
  })
})

describe('CreateEndpoint', () => {
  const create = 'NetworkDriver.CreateEndpoint'

  it('translates everything an engine sends', async () => {
    const { driver, post } = serve()
    const answer = await post(create, {
      NetworkID: N,
      EndpointID: E,
      Interface: { Address: '172.28.0.2/16', AddressIPv6: 'fd00::2/64', MacAddress: '02:42:AC:1C:00:02' },
      Options: {
        'com.docker.network.endpoint.exposedports': [{ Proto: 6, Port: 80 }],
        'com.docker.network.portmap': [{ Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080 }],
        'com.docker.network.endpoint.macaddress': 'AkKsHAAC',
        'com.docker.network.endpoint.ifname': 'ovs0',
        'ovs.port.vlan': '7',
        somethingNew: true,
      },
    })
    expect(answer).toEqual(ok({}))
    expect(driver.calls).toEqual([
      [
        'createEndpoint',
        {
          ...endpoint,
          ipv4Address: '172.28.0.2/16',
          ipv6Address: 'fd00::2/64',
          macAddress: '02:42:ac:1c:00:02',
          options: { 'ovs.port.vlan': '7' },
          bindings: [{ protocol: 'tcp', containerPort: 80, hostPort: 8080, hostPortEnd: 8080 }],
        },
      ],
    ])
  })

  it.each([
    ['absent', {}],
    ['null', { Interface: null, Options: null }],
    ['empty', { Interface: {}, Options: {} }],
    ['of empty strings', { Interface: { Address: '', AddressIPv6: '', MacAddress: '' } }],
    ['of nulls', { Interface: { Address: null, AddressIPv6: null, MacAddress: null } }],
  ])('takes an interface that is %s as nothing assigned', async (_what, more) => {
    const { driver, post } = serve()
    expect(await post(create, { NetworkID: N, EndpointID: E, ...more })).toEqual(ok({}))
    expect(driver.calls).toEqual([['createEndpoint', { ...endpoint, options: {}, bindings: [] }]])
  })

  it('takes no MAC address from the options', async () => {
    const { driver, post } = serve()
    const Options = { 'com.docker.network.endpoint.macaddress': 'AkKsHAAC' }
    await post(create, { NetworkID: N, EndpointID: E, Interface: { MacAddress: '' }, Options })
    expect(driver.calls).toEqual([['createEndpoint', { ...endpoint, options: {}, bindings: [] }]])
  })

  it("returns the driver's MAC address and nothing else", async () => {
    const { post } = serve({ createEndpoint: () => Promise.resolve({ macAddress: '02:42:ac:1c:00:02' }) })
    const Interface = { Address: '172.28.0.2/16' }
    expect(await post(create, { NetworkID: N, EndpointID: E, Interface })).toEqual(
      ok({ Interface: { MacAddress: '02:42:ac:1c:00:02' } }),
    )
  })

  it.each(['02:42', '02-42-ac-1c-00-02', '02:42:ac:1c:00:0g', '02:42:ac:1c:00:02:03'])(
    'refuses %s for a MAC address',
    async (MacAddress) => {
      const { driver, post } = serve()
      const answer = await post(create, { NetworkID: N, EndpointID: E, Interface: { MacAddress } })
      expect(answer.status).toBe(400)
      expect(answer.body['Err']).toContain('MacAddress')
      expect(driver.calls).toEqual([])
    },
  )
})

describe('Join', () => {
  const body = { NetworkID: N, EndpointID: E, SandboxKey: '/var/run/docker/netns/0123', Options: {} }

  it('answers with link, gateways and no docker_gwbridge', async () => {
    const { driver, post } = serve({
      join: () =>
        Promise.resolve({
          linkName: 'ovs-veth1-abcde',
          containerLinkPrefix: 'eth',
          ipv4Gateway: '172.28.0.1',
          ipv6Gateway: 'fd00::1',
          disableGatewayService: false,
        }),
    })
    expect(await post('NetworkDriver.Join', body)).toEqual(
      ok({
        InterfaceName: { SrcName: 'ovs-veth1-abcde', DstPrefix: 'eth' },
        Gateway: '172.28.0.1',
        GatewayIPv6: 'fd00::1',
        DisableGatewayService: false,
      }),
    )
    expect(driver.calls).toEqual([['join', endpoint]])
  })

  it('leaves gateways out where there are none', async () => {
    const { post } = serve()
    expect(await post('NetworkDriver.Join', body)).toEqual(
      ok({ InterfaceName: { SrcName: 'link', DstPrefix: 'eth' }, DisableGatewayService: true }),
    )
  })
})

describe('ProgramExternalConnectivity', () => {
  const publish = 'NetworkDriver.ProgramExternalConnectivity'
  const withPorts = (...ports: unknown[]) => ({
    NetworkID: N,
    EndpointID: E,
    Options: { 'com.docker.network.portmap': ports, 'com.docker.network.endpoint.exposedports': [] },
  })

  it('translates the bindings', async () => {
    const { driver, post } = serve()
    const answer = await post(
      publish,
      withPorts(
        { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8090 },
        { Proto: 17, IP: '', Port: 53, HostIP: '192.0.2.1', HostPort: 53, HostPortEnd: 0 },
        { Proto: 132, Port: 9 },
      ),
    )
    expect(answer).toEqual(ok({}))
    const bindings = [
      { protocol: 'tcp', containerPort: 80, hostPort: 8080, hostPortEnd: 8090 },
      { protocol: 'udp', containerPort: 53, hostAddress: '192.0.2.1', hostPort: 53, hostPortEnd: 53 },
      { protocol: 'sctp', containerPort: 9, hostPort: 0, hostPortEnd: 0 },
    ]
    expect(driver.calls).toEqual([['publish', { ...endpoint, bindings }]])
  })

  it.each([
    ['no options', { NetworkID: N, EndpointID: E }],
    ['null', { NetworkID: N, EndpointID: E, Options: null }],
    ['no ports', withPorts()],
    ['null ports', { NetworkID: N, EndpointID: E, Options: { 'com.docker.network.portmap': null } }],
  ])('takes %s as nothing to publish', async (_what, body) => {
    const { driver, post } = serve()
    expect(await post(publish, body)).toEqual(ok({}))
    expect(driver.calls).toEqual([['publish', { ...endpoint, bindings: [] }]])
  })

  it('refuses a protocol without ports', async () => {
    const { driver, post } = serve()
    expect(await post(publish, withPorts({ Proto: 1, Port: 8 }))).toEqual({
      status: 400,
      body: { Err: 'bad request: IP protocol 1 cannot be published' },
    })
    expect(driver.calls).toEqual([])
  })
})

describe('the other methods', () => {
  const ids = { NetworkID: N, EndpointID: E }

  it.each([
    ['DeleteNetwork', { NetworkID: N }, ['deleteNetwork', N]],
    ['Leave', ids, ['leave', endpoint]],
    ['DeleteEndpoint', ids, ['deleteEndpoint', endpoint]],
    ['RevokeExternalConnectivity', ids, ['unpublish', endpoint]],
  ])('%s', async (method, body, call) => {
    const { driver, post } = serve()
    expect(await post(`NetworkDriver.${method}`, body)).toEqual(ok({}))
    expect(driver.calls).toEqual([call])
  })

  it('EndpointOperInfo answers with what the driver knows', async () => {
    const { driver, post } = serve({ endpointInfo: () => ({ bridge: 'ovsbr-abcde', ofport: 3 }) })
    expect(await post('NetworkDriver.EndpointOperInfo', ids)).toEqual(
      ok({ Value: { bridge: 'ovsbr-abcde', ofport: 3 } }),
    )
    expect(driver.calls).toEqual([['endpointInfo', endpoint]])
  })

  it.each([
    ['AllocateNetwork', { NetworkID: N, Options: { k: 'v' } }, { Options: {} }],
    ['FreeNetwork', { NetworkID: N }, {}],
    ['DiscoverNew', { DiscoveryType: 1, DiscoveryData: { Address: '192.0.2.1', self: true } }, {}],
    ['DiscoverDelete', { DiscoveryType: 1, DiscoveryData: { Address: '192.0.2.1', Self: false } }, {}],
  ])('%s succeeds without the driver', async (method, body, answer) => {
    const { driver, post } = serve()
    expect(await post(`NetworkDriver.${method}`, body)).toEqual(ok(answer))
    expect(driver.calls).toEqual([])
  })
})
