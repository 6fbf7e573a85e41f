import { describe, expect, it } from '@jest/globals'
import { listen } from '../../fixtures/datagrams'
import { eventually } from '../host/command'
import { pluginName, type TestHost } from '../host/host'
import {
  asOptions,
  connectContainer,
  createNetwork,
  expectReach,
  inside,
  linkFile,
  startContainer,
  untilNothingDiffers,
} from '../lab'
import { enterHost } from '../outside'

/** Who watches: mirrors and flow export; and options that make no sense together. */
export function monitoring(host: () => TestHost): void {
  describe('monitoring', () => {
    it('a container gets a copy of what the others say', async () => {
      await createNetwork(host(), 'mynet', '--subnet', '10.96.0.0/24')
      await connectContainer(host(), 'ids', 'mynet', 'ovs.port.mirror=true')
      await startContainer(host(), 'one', 'mynet')
      await startContainer(host(), 'two', 'mynet')
      await expectReach(host(), 'one', 'two')
      const received = async (): Promise<number> =>
        Number(await linkFile(host(), 'ids', 'statistics/rx_packets'))
      const start = await received()
      await inside(host(), 'one', 'ping', '-c', '20', '-i', '0.02', 'two')
      expect((await received()) - start).toBeGreaterThanOrEqual(40)
      await untilNothingDiffers(host())
    })

    it.each([
      ['sflow', 'ovs.bridge.sflow=127.0.0.1:6343/1', 6343],
      ['netflow', 'ovs.bridge.netflow=127.0.0.1:2055/1', 2055],
      ['ipfix', 'ovs.bridge.ipfix=127.0.0.1:4739/1', 4739],
    ])('%s reaches its collector', async (_, option, port) => {
      const listener = await listen(enterHost(host()), port)
      try {
        await createNetwork(host(), 'mynet', ...asOptions(option))
        await startContainer(host(), 'one', 'mynet')
        await startContainer(host(), 'two', 'mynet')
        await inside(host(), 'one', 'ping', '-c', '20', '-i', '0.02', 'two')
        await eventually('a datagram', () => Promise.resolve(listener.count() > 0 ? true : undefined), 30_000)
      } finally {
        listener.stop()
      }
    })
  })

  it.each([
    ['ovs.bridge.trunks=10', 'ovs.bridge.vlan=5', 'ovs.bridge.vlan_mode=access'],
    ['ovs.bridge.vni=7'],
    ['ovs.port.ingress_rate=0'],
    ['ovs.bridge.tunnel=vxlan', 'ovs.bridge.vni=7', 'ovs.bridge.peers=127.0.0.2,127.0.0.1'],
    ['ovs.bridge.stp=true', 'ovs.bridge.rstp=true'],
    ['ovs.port.security=true', 'ovs.bridge.controller=tcp:127.0.0.1'],
    ['ovs.bridge.move_ip=true'],
    ['ovs.bridge.mirror=eth8'],
  ])('%s is refused in one sentence, and nothing is made', async (...options) => {
    const { code, stderr } = await host().tryDocker(
      'network',
      'create',
      '-d',
      pluginName,
      ...asOptions(...options),
      'mynet',
    )
    expect(code).not.toBe(0)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toMatch(/: (option ovs\.|bridge \S+ has no port)/)
  })
}
