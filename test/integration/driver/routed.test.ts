import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { CreateNetworkRequest, PortBinding } from '../../../src/driver/api'
import { CommandError } from '../../../src/adapters/process/command-error'
import type { Host, Process } from './fixture'
import { sysctlsOf } from '../../fixtures/sysctls'
import { endpointRequest, makeHost, networkRequest, never, startWithRoundAt } from './fixture'

jest.setTimeout(30_000)

let host: Host
let plugin: Process
let before: string

beforeEach(async () => {
  host = await makeHost()
  // As on a host that forwards nothing yet and whose filter others use already.
  await host.netns.exec('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward')
  for (const family of ['iptables-nft', 'ip6tables-nft']) {
    await host.netns.exec(family, '-A', 'FORWARD', '-i', 'lo', '-j', 'ACCEPT')
    await host.netns.exec(family, '-t', 'nat', '-A', 'PREROUTING', '-i', 'lo', '-j', 'ACCEPT')
  }
  before = await footprint()
  plugin = await host.startProcess()
})

afterEach(async () => {
  await host.dispose()
})

/** What nat and routed networks change in the host's own stack. */
async function footprint(): Promise<string> {
  const script = `
    cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
    iptables-nft-save; ip6tables-nft-save`
  return (await host.netns.exec('sh', '-c', script)).stdout.replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '')
}

const addresses = async (link: string): Promise<string> =>
  (await host.netns.exec('ip', '-brief', 'address', 'show', 'dev', link)).stdout

const nat = (more: Partial<CreateNetworkRequest> = {}): CreateNetworkRequest => {
  const { options, ...rest } = more
  return networkRequest({
    ipv4: [{ pool: '10.7.0.0/24', gateway: '10.7.0.1/24' }],
    ipv6: [{ pool: 'fd07::/64', gateway: 'fd07::1/64' }],
    ...rest,
    options: { 'ovs.bridge.mode': 'nat', 'ovs.bridge.name': 'br', ...options },
  })
}

const binding = (more: Partial<PortBinding> = {}): PortBinding => ({
  protocol: 'tcp',
  containerPort: 80,
  hostPort: 0,
  hostPortEnd: 0,
  ...more,
})

describe('a nat network', () => {
  it("makes its bridge the gateway, and leaves the host's stack as it was when it goes", async () => {
    const network = nat()
    await plugin.driver.createNetwork(network, never)
    expect(await addresses('br')).toContain('10.7.0.1/24 fd07::1/64')
    const during = await footprint()
    expect(during).toMatch(/^1\n1\n/)
    expect(during).toContain('-s 10.7.0.0/24 ! -o br -j MASQUERADE')
    await plugin.driver.deleteNetwork(network.networkId, never)
    expect(await footprint()).toBe(before)
  })

  it('can ask for its containers over IPv6 from the first moment', async () => {
    await plugin.driver.createNetwork(nat(), never)
    const { stdout } = await host.netns.exec('ip', '-6', 'address', 'show', 'dev', 'br', 'tentative')
    expect(stdout).toBe('')
    expect(await addresses('br')).toContain('fe80::')
  })

  it('is put right by one at a time, its create or a round of reconcile', async () => {
    const { racing, roundEnded } = await startWithRoundAt(host, 'address add')
    await racing.driver.createNetwork(nat(), never)
    await roundEnded()
    expect(await addresses('br')).toContain('10.7.0.1/24 fd07::1/64')
    expect(racing.logged.join('\n')).not.toContain('put right')
  })

  it('leaves forwarding on until the last of them goes', async () => {
    const [first, second] = [
      nat({ ipv6: [] }),
      nat({
        options: { 'ovs.bridge.name': 'br2' },
        ipv4: [{ pool: '10.8.0.0/24', gateway: '10.8.0.1/24' }],
        ipv6: [],
      }),
    ]
    await plugin.driver.createNetwork(first, never)
    await plugin.driver.createNetwork(second, never)
    await plugin.driver.deleteNetwork(first.networkId, never)
    expect(await footprint()).toMatch(/^1\n0\n/)
    await plugin.driver.deleteNetwork(second.networkId, never)
    expect(await footprint()).toBe(before)
  })

  it('that overlaps with another is refused, and nothing was made', async () => {
    await plugin.driver.createNetwork(nat(), never)
    const [links, rules] = [await host.linkNames(), await footprint()]
    const other = nat({
      options: { 'ovs.bridge.name': 'br2' },
      ipv4: [{ pool: '10.7.0.0/16', gateway: '10.7.1.1/16' }],
      ipv6: [],
    })
    await expect(plugin.driver.createNetwork(other, never)).rejects.toThrow(
      'subnet 10.7.0.0/16 overlaps with 10.7.0.0/24 of network',
    )
    expect(await host.linkNames()).toEqual(links)
    expect(await footprint()).toBe(rules)
  })

  it.each(['flat', 'nat'])(
    'with IPv6 is refused where the kernel has none, and nothing was made: %s',
    async (mode) => {
      const present = sysctlsOf(host.netns)
      const withoutIPv6 = await host.startProcess(undefined, {
        ...present,
        read: (path) => (path.startsWith('ipv6/') ? Promise.resolve(undefined) : present.read(path)),
      })
      const links = await host.linkNames()
      const network = nat({ options: { 'ovs.bridge.mode': mode } })
      await expect(withoutIPv6.driver.createNetwork(network, never)).rejects.toThrow(
        'the kernel of this host has no IPv6',
      )
      expect(await host.linkNames()).toEqual(links)
      expect(await footprint()).toBe(before)
      await withoutIPv6.driver.createNetwork(nat({ ipv6: [], options: { 'ovs.bridge.mode': mode } }), never)
    },
  )

  it('that could not be taken back when its create failed is taken back later', async () => {
    // The filter refuses, and the database dies at that moment.
    const faulty = await host.startProcess((run) => async (command, args, options) => {
      if (command !== 'iptables-nft-restore') return run(command, args, options)
      await host.ovs.stopServer()
      throw new CommandError([command], 'exit code 1', { stderr: 'refused' })
    })
    await expect(faulty.driver.createNetwork(nat(), never)).rejects.toThrow(
      'the packet filter refused: refused',
    )
    await host.ovs.startServer()
    await faulty.available()
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')).toContain('dovesnap-network-')
    await faulty.reconciler.run()
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')).not.toContain(
      'dovesnap-network-',
    )
    expect(await host.ovs.vsctl('list-br')).toBe('')
  })

  it('that an operator takes out of the records leaves nothing', async () => {
    const network = nat()
    await plugin.driver.createNetwork(network, never)
    const key = `dovesnap-network-${network.networkId}`
    await host.ovs.vsctl('remove', 'Open_vSwitch', '.', 'external_ids', key)
    await plugin.reconciler.run()
    expect(await footprint()).toBe(before)
    expect(await host.ovs.vsctl('list-br')).toBe('')
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')).toBe('{}')
  })

  it("on somebody else's bridge has its gateway on a port of its own, and takes that away again", async () => {
    await host.ovs.vsctl('add-br', 'lan', '--', 'set', 'bridge', 'lan', 'datapath_type=netdev')
    const network = nat({ options: { 'ovs.bridge.name': 'lan', 'ovs.bridge.vlan': '7' } })
    await plugin.driver.createNetwork(network, never)
    const port = await host.ovs.vsctl('list-ports', 'lan')
    expect(port).toBe(`ovsgw-${network.networkId.slice(0, 5)}`)
    expect(await host.ovs.vsctl('get', 'Port', port, 'tag')).toBe('7')
    expect(await addresses(port)).toContain('10.7.0.1/24')
    expect(await addresses('lan')).not.toContain('10.7')
    await plugin.driver.deleteNetwork(network.networkId, never)
    expect(await host.ovs.vsctl('list-ports', 'lan')).toBe('')
    expect(await host.ovs.vsctl('list-br')).toBe('lan')
  })

  it('takes its addresses along where others stay on its bridge', async () => {
    const network = nat()
    await plugin.driver.createNetwork(network, never)
    await plugin.driver.createNetwork(networkRequest({ options: { 'ovs.bridge.name': 'br' } }), never)
    await plugin.driver.deleteNetwork(network.networkId, never)
    expect(await addresses('br')).not.toMatch(/10\.7|fd07/)
    expect(await footprint()).toBe(before)
  })

  it('with a VLAN has its gateway in it', async () => {
    await plugin.driver.createNetwork(nat({ options: { 'ovs.bridge.vlan': '7' } }), never)
    expect(await host.ovs.vsctl('get', 'Port', 'br', 'tag')).toBe('7')
  })

  it('keeps the MAC address of its bridge when containers come and go', async () => {
    const network = nat()
    await plugin.driver.createNetwork(network, never)
    const mac = (): Promise<{ stdout: string }> => host.netns.exec('cat', '/sys/class/net/br/address')
    const { stdout } = await mac()
    for (const last of [2, 3, 4]) {
      const endpoint = endpointRequest(network.networkId, { ipv4Address: `10.7.0.${last}/24` })
      await plugin.driver.createEndpoint(endpoint, never)
      expect((await mac()).stdout).toBe(stdout)
    }
  })

  it('returns its gateways from Join', async () => {
    const network = nat()
    await plugin.driver.createNetwork(network, never)
    const endpoint = endpointRequest(network.networkId, { ipv6Address: 'fd07::2/64' })
    await plugin.driver.createEndpoint(endpoint, never)
    expect(await plugin.driver.join(endpoint, never)).toMatchObject({
      ipv4Gateway: '10.7.0.1',
      ipv6Gateway: 'fd07::1',
      disableGatewayService: false,
    })
  })

  it('has nothing forwarded where it is internal', async () => {
    await plugin.driver.createNetwork(nat({ internal: true }), never)
    expect(await footprint()).toMatch(/^0\n0\n/)
    expect(await addresses('br')).toContain('10.7.0.1/24')
  })
})

describe('published ports', () => {
  const network = nat()
  const endpoint = endpointRequest(network.networkId, { ipv6Address: 'fd07::2/64' })

  beforeEach(async () => {
    await plugin.driver.createNetwork(network, never)
    await plugin.driver.createEndpoint(endpoint, never)
    await plugin.driver.join(endpoint, never)
  })

  const publish = (...bindings: readonly PortBinding[]): Promise<void> =>
    plugin.driver.publish({ ...endpoint, bindings }, never)

  it.each(['unpublish', 'leave', 'deleteEndpoint'] as const)('are told, and withdrawn by %s', async (how) => {
    const rules = await footprint()
    await publish(binding(), binding({ protocol: 'udp', containerPort: 53 }))
    const ports = String(plugin.driver.endpointInfo(endpoint)['ports'])
    expect(ports).toMatch(/^\*:\d+->80\/tcp, \*:\d+->53\/udp$/)
    const port = /\d+/.exec(ports)?.[0] ?? ''
    expect(await footprint()).toContain(`--dport ${port} -j DNAT --to-destination 10.7.0.2:80`)
    expect(await footprint()).toContain(`--dport ${port} -j DNAT --to-destination [fd07::2]:80`)
    await plugin.driver[how](endpoint, never)
    expect(plugin.driver.endpointInfo(endpoint)).not.toHaveProperty('ports')
    expect(await footprint()).toBe(rules)
  })

  it('that are taken are refused, naming port and holder, and none of the request is published', async () => {
    await publish(binding())
    const port = Number(/\d+/.exec(String(plugin.driver.endpointInfo(endpoint)['ports']))?.[0])
    const rules = await footprint()
    const other = endpointRequest(network.networkId, { ipv4Address: '10.7.0.3/24' })
    await plugin.driver.createEndpoint(other, never)
    const taken = binding({ hostPort: port, hostPortEnd: port })
    await expect(
      plugin.driver.publish({ ...other, bindings: [binding({ containerPort: 81 }), taken] }, never),
    ).rejects.toThrow(
      `cannot publish tcp port ${port} of 0.0.0.0: it is in use by container endpoint ${endpoint.endpointId.slice(0, 12)}`,
    )
    expect(await footprint()).toBe(rules)
  })

  it('come back, with gateway and rules, after somebody took them away', async () => {
    await publish(binding())
    const rules = await footprint()
    await host.netns.exec('iptables-nft', '-t', 'nat', '-F')
    await host.netns.exec('iptables-nft', '-t', 'nat', '-A', 'PREROUTING', '-i', 'lo', '-j', 'ACCEPT')
    await host.netns.exec('ip6tables-nft', '-D', 'FORWARD', '-j', 'DOVESNAP-INTO')
    await host.netns.exec('ip', 'address', 'flush', 'dev', 'br')
    await host.netns.exec('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward')
    await plugin.reconciler.run()
    // Docker's own bridge driver may be about to start, and goes by who turns it on.
    expect((await host.netns.exec('cat', '/proc/sys/net/ipv4/ip_forward')).stdout).toBe('0\n')
    plugin.age(30_000)
    await plugin.reconciler.run()
    expect((await footprint()).split('\n').toSorted()).toEqual(rules.split('\n').toSorted())
    expect(await addresses('br')).toContain('10.7.0.1/24 fd07::1/64')
    expect(plugin.logged.join('\n')).toContain('gateway put right')
    const lines = plugin.logged.length
    await plugin.reconciler.run()
    expect(plugin.logged.slice(lines)).toEqual([])
  })
})

it('a routed network does not masquerade', async () => {
  await plugin.driver.createNetwork(nat({ options: { 'ovs.bridge.mode': 'routed' } }), never)
  expect(await footprint()).not.toContain('! -o br -j MASQUERADE')
})

it('a flat network leaves the packet filter alone and tells of ports that it cannot publish', async () => {
  const network = networkRequest()
  await plugin.driver.createNetwork(network, never)
  const bindings = [binding({ hostPort: 8080, hostPortEnd: 8080 })]
  const endpoint = endpointRequest(network.networkId, { bindings })
  await plugin.driver.createEndpoint(endpoint, never)
  expect(plugin.driver.endpointInfo(endpoint)['warning']).toMatch(/^cannot publish 80\/tcp on a flat network/)
  expect(plugin.logged.join('\n')).toContain('warn cannot publish 80/tcp on a flat network')
  await expect(plugin.driver.publish({ ...endpoint, bindings }, never)).rejects.toThrow(
    'cannot publish 80/tcp',
  )
  expect(await footprint()).toBe(before)
})
