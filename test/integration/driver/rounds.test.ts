import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { Host, Process } from './fixture'
import { endpointRequest, makeHost, networkRequest, never } from './fixture'

jest.setTimeout(120_000)

let host: Host
let plugin: Process

beforeEach(async () => {
  host = await makeHost()
  for (const nic of ['eth2', 'eth3'])
    await host.netns.exec('ip', 'link', 'add', 'name', nic, 'type', 'veth', 'peer', 'name', `${nic}-far`)
  await host.netns.exec('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'eth3')
  plugin = await host.startProcess()
})

afterEach(async () => {
  await host.dispose()
})

type Options = Readonly<Record<string, string>>

/** Options of a network, and of the containers on it. */
const kinds: readonly (readonly [string, Options, Options])[] = [
  ['flat network', {}, {}],
  ['nat network', { 'ovs.bridge.mode': 'nat' }, {}],
  [
    'network on a shared bridge',
    { 'ovs.bridge.name': 'shared', 'ovs.bridge.vlan': '5', 'ovs.bridge.mode': 'nat' },
    {},
  ],
  ['network with an uplink', { 'ovs.bridge.bind_interface': 'eth2' }, {}],
  ['network with moved addresses', { 'ovs.bridge.bind_interface': 'eth3', 'ovs.bridge.move_ip': 'true' }, {}],
  [
    'network with a tunnel',
    { 'ovs.bridge.tunnel': 'vxlan', 'ovs.bridge.vni': '7', 'ovs.bridge.peers': '192.0.2.2' },
    {},
  ],
  ['network with port security', { 'ovs.port.security': 'true', 'ovs.port.ingress_rate': '5000' }, {}],
  ['network whose containers ask for port security', {}, { 'ovs.port.security': 'true' }],
  ['network whose containers ask for a copy of its traffic', {}, { 'ovs.port.mirror': 'true' }],
  ['network whose containers ask for rates', {}, { 'ovs.port.egress_rate': '9000', 'ovs.bridge.vlan': '9' }],
]

describe('rounds of reconcile, one after another, find nothing to do beside', () => {
  let isOver = false
  async function runRounds(): Promise<void> {
    while (!isOver) await plugin.reconciler.run()
  }

  it.each(kinds)('a %s and its containers as they come and go', async (_, options, endpointOptions) => {
    await plugin.driver.createNetwork(networkRequest({ options: { 'ovs.bridge.name': 'shared' } }), never)
    isOver = false
    const ended = runRounds()
    try {
      for (let life = 0; life < 6; life += 1) {
        const request = networkRequest({
          options,
          ipv4: [{ pool: '10.8.0.0/24', gateway: '10.8.0.1/24' }],
          ipv6: [{ pool: 'fd08::/64', gateway: 'fd08::1/64' }],
        })
        await plugin.driver.createNetwork(request, never)
        await Promise.all(
          [2, 3, 4].map(async (n) => {
            const endpoint = endpointRequest(request.networkId, {
              ipv4Address: `10.8.0.${n}/24`,
              options: endpointOptions,
            })
            await plugin.driver.createEndpoint(endpoint, never)
            await plugin.driver.join(endpoint, never)
            if (options['ovs.bridge.mode'] === 'nat') {
              const binding = { protocol: 'tcp', containerPort: 80, hostPort: 0, hostPortEnd: 0 } as const
              await plugin.driver.publish({ ...endpoint, bindings: [binding] }, never)
            }
            await plugin.driver.leave(endpoint, never)
            await plugin.driver.deleteEndpoint(endpoint, never)
          }),
        )
        await plugin.driver.deleteNetwork(request.networkId, never)
      }
    } finally {
      isOver = true
      await ended
    }
    const told = plugin.logged.filter((line) => /^warn|put right|removed/.test(line))
    // Records and filter of a network change one after the other.
    expect(told.filter((line) => !line.includes('packet filter'))).toEqual([])
  })
})
