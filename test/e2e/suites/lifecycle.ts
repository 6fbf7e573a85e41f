import { describe, expect, it } from '@jest/globals'
import { readFile } from 'node:fs/promises'
import { eventually } from '../host/command'
import { pluginName, type TestHost } from '../host/host'
import { attachment, bridgeOf, createNetwork, expectReach, linksOf, reaches, startContainer } from '../lab'

/** As README tells operators to. */
const addPort = 'nsenter --target "$(pgrep -x dovesnap-ovs)" --mount --pid ovs-vsctl add-port <bridge> eth2'

/** What comes must go, and only that. */
export function lifecycle(host: () => TestHost): void {
  describe('life cycle', () => {
    it('leaves nothing behind of a network', async () => {
      const before = await host().snapshot()
      await createNetwork(host(), 'mynet')
      await host().docker('network', 'rm', 'mynet')
      await host().expectUnchanged(before)
    })

    it('leaves nothing behind of containers that stop or are removed by force', async () => {
      await createNetwork(host(), 'mynet')
      const before = await host().snapshot()
      await startContainer(host(), 'stopped', 'mynet')
      await startContainer(host(), 'forced', 'mynet')
      await startContainer(host(), 'crashed', 'mynet')
      await host().docker('stop', '-t', '0', 'stopped')
      await host().docker('rm', '-f', 'forced')
      await host().docker('kill', '-s', 'KILL', 'crashed')
      await host().expectUnchanged(before)
    })

    it('connects and disconnects a running container without a trace', async () => {
      await createNetwork(host(), 'home')
      await createNetwork(host(), 'visited')
      await startContainer(host(), 'peer', 'visited')
      await startContainer(host(), 'guest', 'home')
      const before = await host().snapshot()
      await host().docker('network', 'connect', 'visited', 'guest')
      expect(await linksOf(host(), 'guest')).toEqual(['eth0', 'eth1'])
      await expectReach(host(), 'guest', 'peer')
      await host().docker('network', 'disconnect', 'visited', 'guest')
      expect(await linksOf(host(), 'guest')).toEqual(['eth0'])
      await host().expectUnchanged(before)
    })

    it('brings containers back after a restart of the engine', async () => {
      const before = await host().snapshot()
      await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
      await startContainer(host(), 'web', 'mynet', '--restart', 'always', '--ip', '10.91.0.10')
      await startContainer(host(), 'client', 'mynet', '--restart', 'always')
      await host().stopEngine()
      await host().startEngine()
      await eventually('client reaches web', async () =>
        (await reaches(host(), 'client', '10.91.0.10')) ? true : undefined,
      )
      await host().docker('rm', '-f', 'web', 'client')
      await host().docker('network', 'rm', 'mynet')
      await host().expectUnchanged(before)
    }, 120_000)

    it('takes a killed engine without a trace of its containers', async () => {
      const before = await host().snapshot()
      await createNetwork(host(), 'mynet')
      await startContainer(host(), 'web', 'mynet')
      await host().stopEngine('KILL')
      await host().startEngine()
      await host().docker('rm', '-f', 'web')
      await host().docker('network', 'rm', 'mynet')
      await host().expectUnchanged(before)
    }, 120_000)

    it('goes on after the driver process was killed', async () => {
      await createNetwork(host(), 'mynet')
      await startContainer(host(), 'web', 'mynet')
      await startContainer(host(), 'client', 'mynet')
      const driver = (await host().sh("pgrep -f '[d]ovesnap/main.cjs'")).stdout.trim()
      await host().sh(`kill -KILL ${driver}`)
      await expectReach(host(), 'client', 'web')
      await startContainer(host(), 'late', 'mynet')
      await expectReach(host(), 'late', 'web')
    })
  })

  describe("what is the operator's", () => {
    it('keeps a port that an operator added, through everything, and the bridge it is on', async () => {
      await host().sh('ip netns add outside; ip link add eth2 up type veth peer name eth0 netns outside')
      await host().sh('ip -n outside link set eth0 up; ip -n outside address add 10.91.0.200/24 dev eth0')
      const id = await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
      const bridge = await bridgeOf(host(), id)
      await host().sh(addPort.replace('<bridge>', bridge))
      const ports = async (): Promise<string> =>
        (await host().ovs('ovs-vsctl', 'list-ports', bridge)).stdout.trim()

      await startContainer(host(), 'web', 'mynet')
      const { IPAddress: address } = await attachment(host(), 'web', 'mynet')
      expect(await host().trySh(`ip netns exec outside busybox ping -c 2 -W 3 ${address}`)).toMatchObject({
        code: 0,
      })
      await startContainer(host(), 'client', 'mynet')
      await expectReach(host(), 'client', '10.91.0.200')

      await host().docker('network', 'disconnect', 'mynet', 'client')
      await host().docker('network', 'connect', 'mynet', 'client')
      await host().docker('rm', '-f', 'web', 'client')
      expect(await ports()).toBe('eth2')
      await host().docker('network', 'rm', 'mynet')
      expect(await ports()).toBe('eth2')

      await host().ovs('ovs-vsctl', 'del-br', bridge)
      await host().sh('ip netns delete outside; ip link delete eth2 2>/dev/null || true')
    })

    it('tells in README the command that adds it', async () => {
      expect(await readFile('README.md', 'utf8')).toContain(addPort)
    })

    it('uses a bridge that exists and leaves it in place', async () => {
      const datapath = ['--', 'set', 'bridge', 'br-own', 'datapath_type=netdev']
      await host().ovs('ovs-vsctl', 'add-br', 'br-own', ...datapath)
      const before = await host().snapshot()
      await createNetwork(host(), 'mynet', '-o', 'ovs.bridge.name=br-own')
      await startContainer(host(), 'web', 'mynet')
      await startContainer(host(), 'client', 'mynet')
      await expectReach(host(), 'client', 'web')
      expect((await host().ovs('ovs-vsctl', 'list-ports', 'br-own')).stdout.trim().split('\n')).toHaveLength(
        2,
      )
      await host().docker('rm', '-f', 'web', 'client')
      await host().docker('network', 'rm', 'mynet')
      await host().expectUnchanged(before)
      await host().ovs('ovs-vsctl', 'del-br', 'br-own')
    })

    it('names its driver with the tag in docker network ls', async () => {
      await createNetwork(host(), 'mynet')
      const { stdout } = await host().docker('network', 'inspect', '-f', '{{.Driver}} {{.Scope}}', 'mynet')
      expect(stdout.trim()).toBe(`${pluginName} local`)
    })
  })
}
