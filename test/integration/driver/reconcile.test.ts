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
    expect((await host.netns.exec('nft', 'list', 'ruleset')).stdout).toContain(port)
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

  it('goes on with the rest where one thing cannot be put right', async () => {
    await host.ovs.vsctl('add-br', 'lan', '--', 'set', 'Bridge', 'lan', 'datapath_type=netdev')
    await plugin.driver.createNetwork(networkRequest({ options: { 'ovs.bridge.name': 'lan' } }), never)
    const { port } = await joined()
    await host.ovs.vsctl('del-br', 'lan')
    await host.ovs.vsctl('del-port', 'br', port)
    await plugin.reconciler.run()
    expect(plugin.logged.join('\n')).toContain('bridge lan is gone and was not made by this driver')
    expect(await host.ovs.vsctl('list-ports', 'br')).toBe(port)
  })
})
