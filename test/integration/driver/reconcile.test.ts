import { CommandError } from '../../../src/adapters/process/command-error'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Host, Process } from './fixture'
import { endpointRequest, makeHost, networkRequest, never } from './fixture'

let host: Host
let plugin: Process
const network = networkRequest({ options: { 'ovs.bridge.name': 'br', 'ovs.bridge.vlan': '7' } })

beforeEach(async () => {
  host = await makeHost()
  plugin = await host.startProcess()
  await plugin.driver.createNetwork(network, never)
})

afterEach(async () => {
  await host.dispose()
})

async function joined(): Promise<{
  readonly port: string
  readonly link: string
  readonly endpointId: string
}> {
  const request = endpointRequest(network.networkId)
  await plugin.driver.createEndpoint(request, never)
  const { linkName: link } = await plugin.driver.join(request, never)
  return { port: `ovs-veth0-${request.endpointId.slice(0, 5)}`, link, endpointId: request.endpointId }
}

const records = (): Promise<string> => host.ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids')

describe('reconcile', () => {
  it('changes nothing on a host that is as it shall be', async () => {
    await joined()
    const before = await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')
    const logged = plugin.logged.length
    await plugin.reconciler.run()
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')).toBe(before)
    expect(plugin.logged.slice(logged)).toEqual([])
  })

  it('tells what it would put right, and changes nothing', async () => {
    const { port } = await joined()
    expect(await plugin.reconciler.differences(never)).toEqual([])
    await host.ovs.vsctl('clear', 'Port', port, 'tag')
    await host.netns.exec('ip', 'link', 'set', 'dev', port, 'down', 'mtu', '1000')
    await host.ovs.vsctl('add-br', 'ghost', '--', 'set', 'Bridge', 'ghost', 'external_ids:owner=dovesnap')
    const before = await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')
    const differences = await plugin.reconciler.differences(never)
    expect(differences).toEqual([expect.stringMatching(/^endpoint \w{12}: /), 'stray bridge ghost'])
    expect(differences[0]).toContain(
      `link ${port} is down; link ${port} has MTU 1000, not 1500; Port lacks tag=[7]`,
    )
    expect(await host.ovs.vsctl('get', 'Open_vSwitch', '.', 'next_cfg')).toBe(before)
    await plugin.reconciler.run()
    expect(await plugin.reconciler.differences(never)).toEqual([])
  })

  it('tells of gateways, kernel settings and the packet filter as well', async () => {
    const options = { 'ovs.bridge.mode': 'nat', 'ovs.bridge.name': 'natbr' }
    await plugin.driver.createNetwork(
      networkRequest({ options, ipv4: [{ pool: '10.8.0.0/24', gateway: '10.8.0.1/24' }] }),
      never,
    )
    expect(await plugin.reconciler.differences(never)).toEqual([])
    await host.netns.exec('ip', 'address', 'del', '10.8.0.1/24', 'dev', 'natbr')
    await host.netns.exec('sysctl', '-qw', 'net.ipv4.ip_forward=0')
    await host.netns.exec('iptables-nft', '-t', 'nat', '-F')
    const differences = await plugin.reconciler.differences(never)
    expect(differences.slice(0, 2)).toEqual([
      'link natbr is not up with 10.8.0.1/24 and MTU 1500',
      'kernel setting net/ipv4/ip_forward is not 1',
    ])
    expect(differences.slice(2).join()).toMatch(/packet filter: .*nat/)
  })

  it('tells the rest where one part cannot be looked at', async () => {
    const options = { 'ovs.bridge.name': 'secured', 'ovs.port.security': 'true' }
    await plugin.driver.createNetwork(networkRequest({ options }), never)
    await host.ovs.vsctl('add-br', 'ghost', '--', 'set', 'Bridge', 'ghost', 'external_ids:owner=dovesnap')
    const other = await host.startProcess((run) => (command, args, options) => {
      if (command !== 'ovs-ofctl') return run(command, args, options)
      throw new CommandError([command], 'exit code 1', { stderr: 'refused' })
    })
    expect(await other.reconciler.differences(never)).toEqual([
      expect.stringMatching(/^flows cannot be looked at: .*refused/),
      'stray bridge ghost',
    ])
  })

  it('puts back a bridge that an operator deleted, with the ports of its containers', async () => {
    const { port } = await joined()
    await host.ovs.vsctl('del-br', 'br')
    await plugin.reconciler.run()
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe(port)
    expect(await host.ovs.vsctl('get', 'Port', port, 'tag')).toBe('7')
  })

  it('puts back a port, its VLAN, and what was set on its link', async () => {
    const { port } = await joined()
    await host.ovs.vsctl('del-port', 'br', port)
    await plugin.reconciler.run()
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe(port)
    await host.ovs.vsctl('clear', 'Port', port, 'tag')
    await host.netns.exec('ip', 'link', 'set', 'dev', port, 'down', 'mtu', '1000')
    await host.netns.exec('nft', 'flush', 'ruleset')
    await plugin.reconciler.run()
    expect(await host.ovs.vsctl('get', 'Port', port, 'tag')).toBe('7')
    const { stdout } = await host.netns.exec('ip', '-json', 'link', 'show', 'dev', port)
    expect(JSON.parse(stdout)).toMatchObject([{ mtu: 1500, flags: expect.arrayContaining(['UP']) }])
    const isUserspace = (await host.ovs.vsctl('get', 'Bridge', 'br', 'datapath_type')) === 'netdev'
    expect((await host.netns.exec('nft', 'list', 'ruleset')).stdout.includes(port)).toBe(isUserspace)
  })

  it('works from what the database says, in a process that made nothing itself', async () => {
    const { port } = await joined()
    await host.ovs.vsctl('del-br', 'br')
    const second = await host.startProcess()
    await second.reconciler.run()
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe(port)
  })

  it('removes an endpoint whose link went with its container', async () => {
    const { link } = await joined()
    await host.netns.exec('ip', 'link', 'del', 'dev', link)
    await plugin.reconciler.run()
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe('')
    expect(await records()).not.toContain('endpoint')
  })

  it('removes links, ports and bridges of ours that no record names, and leaves the operator his', async () => {
    await joined()
    const links = await host.linkNames()
    const alias = ['alias', `dovesnap:${'e'.repeat(64)}`]
    await host.netns.exec('ip', 'link', 'add', 'name', 'stray', 'type', 'veth', 'peer', 'name', 'strayc')
    await host.netns.exec('ip', 'link', 'set', 'dev', 'stray', ...alias)
    await host.netns.exec('ip', 'link', 'add', 'name', 'eth2', 'type', 'veth', 'peer', 'name', 'eth3')
    const owner = 'external_ids:owner=dovesnap'
    await host.ovs.vsctl('add-port', 'br', 'eth2')
    await host.ovs.vsctl(
      'add-port',
      'br',
      'ghost',
      '--',
      'set',
      'Port',
      'ghost',
      owner,
      `external_ids:dovesnap-endpoint=x`,
    )
    await host.ovs.vsctl('add-br', 'ghostbr', '--', 'set', 'Bridge', 'ghostbr', owner, 'datapath_type=netdev')
    await host.ovs.vsctl('add-br', 'lan', '--', 'set', 'Bridge', 'lan', 'datapath_type=netdev')
    await plugin.reconciler.run()
    expect((await host.linkNames()).toSorted()).toEqual([...links, 'eth2', 'eth3', 'lan'].toSorted())
    expect(await host.ovs.vsctl('list-br')).toBe('br\nlan')
    expect(await host.ovs.vsctl('list-ports', 'br')).toMatch(/^eth2\novs-veth0-\w{5}$/)
  })

  it('removes an endpoint that an earlier process made and no container took, once Docker has had its time', async () => {
    const request = endpointRequest(network.networkId)
    await plugin.driver.createEndpoint(request, never)
    const second = await host.startProcess()
    const stop = second.reconciler.start()
    await second.reconciler.run()
    expect(await records()).toContain(request.endpointId)
    await new Promise((resolve) => setTimeout(resolve, 3_100))
    await second.reconciler.run()
    stop()
    expect(await records()).not.toContain(request.endpointId)
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe('')
    expect((await host.linkNames()).join()).not.toContain('ovs-veth0')
  }, 15_000)

  it('takes back what Docker deleted while the switch could not be reached', async () => {
    const { endpointId, link } = await joined()
    await host.ovs.stopServer()
    const hurried = AbortSignal.timeout(200)
    const endpoint = { networkId: network.networkId, endpointId }
    await expect(plugin.driver.deleteEndpoint(endpoint, hurried)).rejects.toThrow('does not answer')
    await expect(plugin.driver.deleteNetwork(network.networkId, hurried)).rejects.toThrow('does not answer')
    await host.ovs.startServer()
    await plugin.available()
    // Docker has taken the link out of the container again.
    expect(await host.linkNames()).toContain(link)
    await plugin.reconciler.run()
    await plugin.reconciler.run()
    expect(await records()).toBe('{}')
    expect(await host.ovs.vsctl('list-br')).toBe('')
    expect((await host.linkNames()).join()).not.toContain('ovs-veth0')
  })

  it('removes the device of a bridge that was deleted while ovs-vswitchd was dead', async () => {
    await host.ovs.stopSwitchd()
    const deleted = plugin.driver.deleteNetwork(network.networkId, never)
    await host.ovs.startSwitchd()
    await deleted
    await plugin.reconciler.run()
    expect(await host.linkNames()).not.toContain('br')
  })

  it('goes on with the rest where one thing cannot be put right', async () => {
    await host.ovs.vsctl('add-br', 'lan', '--', 'set', 'Bridge', 'lan', 'datapath_type=netdev')
    await plugin.driver.createNetwork(networkRequest({ options: { 'ovs.bridge.name': 'lan' } }), never)
    const { port } = await joined()
    await host.ovs.vsctl('del-br', 'lan')
    await host.ovs.vsctl('del-port', 'br', port)
    await plugin.reconciler.run()
    expect(plugin.logged.join('\n')).toContain('bridge lan is gone and was not made by this driver')
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe(port)
    const told = plugin.logged.length
    await plugin.reconciler.run()
    expect(plugin.logged).toHaveLength(told)
  })

  describe('goes on with another network', () => {
    /** Comes before every other network. */
    const first = '0'.repeat(64)

    async function createTwo(optionsOf: (bridge: string) => Readonly<Record<string, string>>): Promise<void> {
      for (const [number, bridge] of ['br1', 'br2'].entries()) {
        const request = networkRequest({
          options: { 'ovs.bridge.name': bridge, ...optionsOf(bridge) },
          ipv4: [{ pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` }],
        })
        await plugin.driver.createNetwork(number === 0 ? { ...request, networkId: first } : request, never)
      }
    }

    it('where the NIC of one is gone', async () => {
      for (const nic of ['nic-br1', 'nic-br2'])
        await host.netns.exec('ip', 'link', 'add', 'name', nic, 'type', 'veth', 'peer', 'name', `${nic}-far`)
      await createTwo((bridge) => ({ 'ovs.bridge.bind_interface': `nic-${bridge}` }))
      await host.netns.exec('ip', 'link', 'delete', 'dev', 'nic-br1')
      await host.netns.exec('ip', 'link', 'set', 'dev', 'nic-br2', 'down')
      const other = await host.startProcess()
      await other.reconciler.run()
      expect(other.logged.join('\n')).toMatch(/underlay could not be put right .*no link nic-br1/)
      expect((await host.netns.exec('ip', 'link', 'show', 'dev', 'nic-br2')).stdout).toContain(',UP')
    })

    it('where the gateway of one cannot be set up', async () => {
      await createTwo(() => ({ 'ovs.bridge.mode': 'nat' }))
      for (const bridge of ['br1', 'br2']) await host.netns.exec('ip', 'address', 'flush', 'dev', bridge)
      await host.netns.exec('iptables-nft', '-t', 'nat', '-F')
      const other = await host.startProcess((run) => (command, args, options) => {
        if (!(options.input ?? '').includes('dev br1')) return run(command, args, options)
        throw new CommandError([command], 'exit code 1', { stderr: 'refused' })
      })
      await other.reconciler.run()
      expect(other.logged.join('\n')).toMatch(/gateway could not be put right .*br1/)
      expect((await host.netns.exec('ip', 'address', 'show', 'dev', 'br2')).stdout).toContain('10.1.0.1/24')
      expect((await host.netns.exec('iptables-nft', '-t', 'nat', '-S')).stdout).toContain('10.0.0.0/24')
    })

    it('where flows cannot be put on the bridge of one', async () => {
      await createTwo(() => ({ 'ovs.port.security': 'true' }))
      for (const bridge of ['br1', 'br2']) await host.ovs.ofctl('del-flows', bridge)
      const other = await host.startProcess((run) => (command, args, options) => {
        if (!args.some((arg) => arg.includes('br1.mgmt'))) return run(command, args, options)
        throw new CommandError([command], 'exit code 1', { stderr: 'refused' })
      })
      await other.reconciler.run()
      expect(other.logged.join('\n')).toMatch(/flows could not be put right .*br1/)
      expect(await host.ovs.ofctl('dump-flows', 'br2')).toContain('actions=NORMAL')
    })
  })
})
