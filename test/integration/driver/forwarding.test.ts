import { afterEach, beforeEach, expect, it, jest } from '@jest/globals'
import type { Host, Process } from './fixture'
import { makeHost, networkRequest, never } from './fixture'

jest.setTimeout(30_000)

let host: Host
let plugin: Process

beforeEach(async () => {
  host = await makeHost()
  await host.netns.exec('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_forward')
  plugin = await host.startProcess()
})

afterEach(async () => {
  await host.dispose()
})

// As Docker's bridge driver does where it turns forwarding on itself. Not done yet: on a host that forwarded nothing, NICs
// that have nothing to do with any network reach each other while a nat or routed network is there.
it.failing('a host that forwarded nothing forwards for its networks alone', async () => {
  const options = { 'ovs.bridge.mode': 'nat' }
  await plugin.driver.createNetwork(networkRequest({ options }), never)
  const { stdout } = await host.netns.exec('iptables-nft', '-S', 'FORWARD')
  expect(stdout).toContain('-P FORWARD DROP')
})
