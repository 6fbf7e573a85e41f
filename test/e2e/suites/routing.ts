import { describe, expect, it } from '@jest/globals'
import { ask } from '../../fixtures/traffic'
import { pluginName, type TestHost } from '../host/host'
import { createNetwork, defaultGateway, linksOf, reaches, startContainer } from '../lab'
import { enterContainer, HOST4, HOST6, OUTSIDE4, OUTSIDE6 } from '../outside'
import { BLUE, NAT, RED, ROUTED, routedScene } from '../routed-scene'

/** Networks whose gateway is the host. */
export function routing(host: () => TestHost): void {
  describe('nat and routed networks', () => {
    routedScene(host)

    it('reach the outside over both families, with the host’s address in nat mode and their own in routed mode', async () => {
      await createNetwork(host(), 'red', ...NAT, ...RED)
      await createNetwork(host(), 'blue', ...ROUTED, ...BLUE)
      await startContainer(host(), 'inside', 'red')
      await startContainer(host(), 'own', 'blue', '--ip', '10.72.0.20', '--ip6', 'fd72::20')
      await host().sh(
        `ip -n outside route add 10.72.0.0/24 via ${HOST4}; ip -n outside route add fd72::/64 via ${HOST6}`,
      )
      const [inside, own] = [await enterContainer(host(), 'inside'), await enterContainer(host(), 'own')]
      expect(await ask(inside, 'tcp', OUTSIDE4, 80)).toBe(HOST4)
      expect(await ask(inside, 'udp', OUTSIDE6, 80)).toBe(HOST6)
      expect(await ask(own, 'tcp', OUTSIDE4, 80)).toBe('10.72.0.20')
      expect(await ask(own, 'udp', OUTSIDE6, 80)).toBe('fd72::20')
      expect(await linksOf(host(), 'inside')).toEqual(['eth0'])
      await host().sh('ip -n outside route del 10.72.0.0/24; ip -n outside -6 route del fd72::/64')
    })

    it('are apart from each other and from Docker’s own bridges, and their containers reach each other by name', async () => {
      await createNetwork(host(), 'red', ...NAT, ...RED)
      await createNetwork(host(), 'blue', ...NAT, ...BLUE)
      await host().docker('network', 'create', '--subnet', '10.73.0.0/24', 'own')
      await startContainer(host(), 'red1', 'red', '--ip', '10.71.0.10')
      await startContainer(host(), 'red2', 'red')
      await startContainer(host(), 'blue1', 'blue', '--ip', '10.72.0.10')
      await startContainer(host(), 'own1', 'own', '--ip', '10.73.0.10')
      expect(await reaches(host(), 'red2', 'red1')).toBe(true)
      const pairs = [
        ['blue1', '10.71.0.10'],
        ['own1', '10.71.0.10'],
        ['red1', '10.72.0.10'],
        ['red1', '10.73.0.10'],
      ] as const
      for (const [from, to] of pairs) {
        expect(`${from} to ${to}: ${String(await reaches(host(), from, to))}`).toBe(`${from} to ${to}: false`)
      }
    })

    it('have no way out where they are internal, and peers that reach each other', async () => {
      await createNetwork(host(), 'red', ...NAT, '--internal', '--subnet', '10.71.0.0/24')
      await startContainer(host(), 'one', 'red', '--cap-add', 'NET_ADMIN')
      await startContainer(host(), 'two', 'red')
      expect(await reaches(host(), 'one', 'two')).toBe(true)
      await host().docker('exec', 'one', 'ip', 'route', 'add', 'default', 'via', '10.71.0.1')
      expect(await reaches(host(), 'one', OUTSIDE4)).toBe(false)
    })

    it('keep containers apart with icc off, and let each reach gateway and outside', async () => {
      await createNetwork(host(), 'red', ...NAT, '--subnet', '10.71.0.0/24', '-o', 'ovs.bridge.icc=false')
      await startContainer(host(), 'one', 'red')
      await startContainer(host(), 'two', 'red', '--ip', '10.71.0.20')
      expect(await reaches(host(), 'one', '10.71.0.20')).toBe(false)
      expect(await reaches(host(), 'one', '10.71.0.1')).toBe(true)
      expect(await ask(await enterContainer(host(), 'one'), 'tcp', OUTSIDE4, 80)).toBe(HOST4)
    })

    it('carry several subnets, and leave the default route to another network where they shall not own it', async () => {
      await createNetwork(host(), 'red', ...NAT, '--subnet', '10.71.0.0/24', '--subnet', '10.74.0.0/24')
      await startContainer(host(), 'one', 'red', '--ip', '10.71.0.20')
      await startContainer(host(), 'two', 'red', '--ip', '10.74.0.20')
      expect(await reaches(host(), 'one', '10.74.0.20')).toBe(true)
      expect(await ask(await enterContainer(host(), 'two'), 'tcp', OUTSIDE4, 80)).toBe(HOST4)
      await createNetwork(host(), 'blue', ...NAT, '--subnet', '10.72.0.0/24', '-o', 'ovs.bridge.gateway=none')
      await startContainer(host(), 'three', 'blue')
      expect(await defaultGateway(host(), 'three')).toBeUndefined()
      await host().docker('network', 'connect', 'red', 'three')
      expect(await defaultGateway(host(), 'three')).toMatch(/^10\.7[14]\.0\.1$/)
    })

    it.each(['flat', 'nat', 'routed'])('work with IPv6, alone where the engine can: %s', async (mode) => {
      const alone = host().engine === '28.5' ? ['--ipv4=false'] : []
      await createNetwork(
        host(),
        'red',
        '-o',
        `ovs.bridge.mode=${mode}`,
        '--ipv6',
        ...alone,
        '--subnet',
        'fd71::/64',
      )
      await startContainer(host(), 'one', 'red', '--ip6', 'fd71::10')
      await startContainer(host(), 'two', 'red')
      expect(await reaches(host(), 'two', 'fd71::10')).toBe(true)
      if (mode === 'flat') return
      await host().sh(`ip -n outside route add fd71::/64 via ${HOST6}`)
      const seen = await ask(await enterContainer(host(), 'one'), 'tcp', OUTSIDE6, 80)
      expect(seen).toBe(mode === 'nat' ? HOST6 : 'fd71::10')
      await host().sh('ip -n outside -6 route del fd71::/64')
    })

    it('give the default route to the network that the user prefers, where the engine lets him choose', async () => {
      await createNetwork(host(), 'red', ...NAT, '--subnet', '10.71.0.0/24')
      await createNetwork(host(), 'blue', ...NAT, '--subnet', '10.72.0.0/24')
      if (host().engine === '28.5') {
        const networks = ['--network', 'name=red,gw-priority=1', '--network', 'name=blue,gw-priority=9']
        await host().docker('run', '-d', '--name', 'both', ...networks, 'busybox:test', 'sleep', '3600')
        expect(await defaultGateway(host(), 'both')).toBe('10.72.0.1')
      } else {
        await startContainer(host(), 'both', 'red')
        await host().docker('network', 'connect', 'blue', 'both')
        expect(await defaultGateway(host(), 'both')).toMatch(/^10\.7[12]\.0\.1$/)
      }
      expect(await linksOf(host(), 'both')).toEqual(['eth0', 'eth1'])
      expect(await ask(await enterContainer(host(), 'both'), 'tcp', OUTSIDE4, 80)).toBe(HOST4)
    })

    it.each([
      ['overlaps', ['--subnet', '10.71.0.0/16'], /overlap/i],
      ['null', ['--ipam-driver', 'null'], /a nat network needs a subnet/],
      ['outside', ['--subnet', '10.75.0.0/24', '--gateway', '10.76.0.1'], /10\.76\.0\.1/],
    ])(
      'are refused with one sentence where their addresses make no sense: %s',
      async (_what, options, says) => {
        await createNetwork(host(), 'red', ...NAT, '--subnet', '10.71.0.0/24')
        const result = await host().tryDocker(
          'network',
          'create',
          '-d',
          pluginName,
          ...NAT,
          ...options,
          'bad',
        )
        expect(result.code).not.toBe(0)
        expect(result.stderr).toMatch(says)
        expect(result.stderr.trim().split('\n')).toHaveLength(1)
      },
    )
  })
}
