import { describe, expect, it } from '@jest/globals'
import type { TestHost } from '../host/host'
import { attachment, createNetwork, expectReach, inside, ping, reaches, startContainer } from '../lab'

/** Who reaches whom. */
export function connectivity(host: () => TestHost): void {
  describe('connectivity', () => {
    it('joins two containers of a network by name and by address', async () => {
      await createNetwork(host(), 'mynet')
      await startContainer(host(), 'web', 'mynet')
      await startContainer(host(), 'client', 'mynet')
      const { IPAddress: address } = await attachment(host(), 'web', 'mynet')
      expect(await ping(host(), 'client', 'web')).toMatchObject({ code: 0 })
      expect(await ping(host(), 'client', address)).toMatchObject({ code: 0 })
    })

    it('carries TCP: a page of 1 MB comes through whole', async () => {
      await createNetwork(host(), 'mynet')
      await startContainer(host(), 'web', 'mynet')
      const serve = 'mkdir /www; head -c 1048576 /dev/urandom >/www/page; httpd -h /www; md5sum </www/page'
      const sent = await inside(host(), 'web', 'sh', '-c', serve)
      const fetch = ['sh', '-c', 'set -o pipefail; timeout 10 wget -qO- http://web/page | md5sum']
      const { stdout: received } = await host().docker(
        'run',
        '--rm',
        '--net',
        'mynet',
        'busybox:test',
        ...fetch,
      )
      expect(received.trim()).toBe(sent)
    })

    it('keeps two networks apart', async () => {
      await createNetwork(host(), 'one', '--subnet', '10.91.0.0/24')
      await createNetwork(host(), 'two', '--subnet', '10.92.0.0/24')
      const mayRoute = ['--cap-add', 'NET_ADMIN']
      await startContainer(host(), 'insider', 'one', '--ip', '10.91.0.10')
      await startContainer(host(), 'neighbour', 'one', '--ip', '10.91.0.11', ...mayRoute)
      // For a name of nobody's the engine asks resolvers that are not there.
      const impatient = ['--dns-opt', 'timeout:1', '--dns-opt', 'attempts:1']
      await startContainer(host(), 'outsider', 'two', '--ip', '10.92.0.10', ...mayRoute, ...impatient)
      // An address of the other network's subnet on its own link is the best an outsider can do.
      await inside(host(), 'outsider', 'ip', 'address', 'add', '10.91.0.12/24', 'dev', 'eth0')
      await expectReach(host(), 'neighbour', '10.91.0.10')
      expect(await reaches(host(), 'outsider', '10.91.0.10')).toBe(false)
      expect((await ping(host(), 'outsider', 'insider')).stderr).toContain('bad address')
    })

    it('joins a container to two networks', async () => {
      await createNetwork(host(), 'one')
      await createNetwork(host(), 'two')
      await startContainer(host(), 'first', 'one')
      await startContainer(host(), 'second', 'two')
      await startContainer(host(), 'both', 'one')
      await host().docker('network', 'connect', 'two', 'both')
      await expectReach(host(), 'both', 'first')
      await expectReach(host(), 'both', 'second')
      await expectReach(host(), 'first', 'both')
    })

    it('separates networks of one bridge by VLAN', async () => {
      const bridge = ['-o', 'ovs.bridge.name=ovsbr-shared']
      await createNetwork(host(), 'red', '--subnet', '10.93.0.0/24', ...bridge, '-o', 'ovs.bridge.vlan=10')
      await createNetwork(host(), 'blue', '--subnet', '10.94.0.0/24', ...bridge, '-o', 'ovs.bridge.vlan=20')
      await startContainer(host(), 'red1', 'red', '--ip', '10.93.0.10')
      await startContainer(host(), 'red2', 'red', '--ip', '10.93.0.11')
      await startContainer(host(), 'blue1', 'blue', '--ip', '10.94.0.10', '--cap-add', 'NET_ADMIN')
      await inside(host(), 'blue1', 'ip', 'address', 'add', '10.93.0.12/24', 'dev', 'eth0')
      await expectReach(host(), 'red2', '10.93.0.10')
      expect(await reaches(host(), 'blue1', '10.93.0.10')).toBe(false)
    })
  })
}
