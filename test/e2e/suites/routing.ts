import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import type { Enter } from '../../fixtures/traffic'
import { ask, serve } from '../../fixtures/traffic'
import { eventually } from '../host/command'
import { pluginName, type TestHost } from '../host/host'
import type { Snapshot } from '../host/snapshot'
import { createNetwork, linksOf, reaches, startContainer } from '../lab'
import type { Outside } from '../outside'
import { addOutside, enterContainer, enterHost, HOST4, HOST6, OUTSIDE4, OUTSIDE6 } from '../outside'

const NAT = ['-o', 'ovs.bridge.mode=nat']
const ROUTED = ['-o', 'ovs.bridge.mode=routed']
const RED = ['--ipv6', '--subnet', '10.71.0.0/24', '--subnet', 'fd71::/64']
const BLUE = ['--ipv6', '--subnet', '10.72.0.0/24', '--subnet', 'fd72::/64']

/** Networks whose gateway is the host. */
export function routing(host: () => TestHost): void {
  describe('nat and routed networks', () => {
    let outside: Outside
    let before: Snapshot
    let sysctls: string
    let stops: (() => void)[] = []

    beforeAll(async () => {
      outside = await addOutside(host())
      stops.push(await serve(outside.enter, 80))
    })
    beforeEach(async () => {
      before = await host().snapshot()
      sysctls = await forwarding()
    })
    afterEach(async () => {
      for (const stop of stops.splice(1)) stop()
      await host().sh('docker ps -aq | xargs -r docker rm -f >/dev/null; docker network prune -f >/dev/null')
      await host().expectUnchanged(before)
      expect(await forwarding()).toBe(sysctls)
    })
    afterAll(async () => {
      for (const stop of stops) stop()
      stops = []
      await outside.remove()
    })

    const forwarding = async (): Promise<string> =>
      (await host().sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding')).stdout

    /** Starts a container that serves on ports 80 and 53. */
    const startServer = async (
      name: string,
      network: string,
      ...options: readonly string[]
    ): Promise<Enter> => {
      await startContainer(host(), name, network, ...options)
      const enter = await enterContainer(host(), name)
      stops.push(await serve(enter, 80), await serve(enter, 53))
      return enter
    }

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

    it('may be of IPv6 alone as far as the engine allows, with several subnets, and without the default route', async () => {
      await createNetwork(host(), 'red', ...NAT, '--subnet', '10.71.0.0/24', '--subnet', '10.74.0.0/24')
      await startContainer(host(), 'one', 'red', '--ip', '10.71.0.20')
      await startContainer(host(), 'two', 'red', '--ip', '10.74.0.20')
      expect(await reaches(host(), 'one', '10.74.0.20')).toBe(true)
      expect(await ask(await enterContainer(host(), 'two'), 'tcp', OUTSIDE4, 80)).toBe(HOST4)
      await createNetwork(host(), 'blue', ...NAT, '--subnet', '10.72.0.0/24', '-o', 'ovs.bridge.gateway=none')
      await startContainer(host(), 'three', 'blue')
      expect((await host().docker('exec', 'three', 'ip', 'route')).stdout).not.toContain('default')
      await host().docker('network', 'connect', 'red', 'three')
      expect((await host().docker('exec', 'three', 'ip', 'route')).stdout).toContain('default via 10.7')
    })

    describe('published ports', () => {
      const published = [
        ...['-p', '8080:80', '-p', '127.0.0.1:8081:80', '-p', '[::1]:8082:80', '-p', '9000-9010:80'],
        ...['-p', '53:53/udp', '-p', `${HOST4}:8083:80`],
      ]

      it('are reached from where they shall be, and from nowhere else', async () => {
        await createNetwork(host(), 'red', ...NAT, ...RED)
        await createNetwork(host(), 'blue', ...NAT, ...BLUE)
        const web = await startServer('web', 'red', '--ip', '10.71.0.10', '--ip6', 'fd71::10', ...published)
        await startContainer(host(), 'peer', 'red')
        await startContainer(host(), 'other', 'blue')
        const from = {
          outside: outside.enter,
          host: enterHost(host()),
          web,
          peer: await enterContainer(host(), 'peer'),
          other: await enterContainer(host(), 'other'),
        }
        // The relay comes from the host's own address in the network; so does what is masqueraded on its way back.
        const [red4, red6] = ['10.71.0.1', 'fd71::1']
        const nobody = undefined
        const cells: readonly (readonly [
          keyof typeof from,
          'tcp' | 'udp',
          string,
          number,
          string | undefined,
        ])[] = [
          ['outside', 'tcp', HOST4, 8080, OUTSIDE4],
          ['outside', 'tcp', HOST6, 8080, OUTSIDE6],
          ['outside', 'udp', HOST4, 8080, nobody],
          ['host', 'tcp', HOST4, 8080, HOST4],
          ['host', 'tcp', HOST6, 8080, HOST6],
          ['host', 'tcp', '127.0.0.1', 8080, red4],
          ['host', 'tcp', '::1', 8080, red6],
          ['web', 'tcp', HOST4, 8080, red4],
          ['peer', 'tcp', HOST4, 8080, red4],
          ['peer', 'tcp', HOST6, 8080, red6],
          ['other', 'tcp', HOST4, 8080, red4],
          ['other', 'tcp', HOST6, 8080, red6],
          ['host', 'tcp', '127.0.0.1', 8081, red4],
          ['host', 'tcp', '::1', 8081, nobody],
          ['host', 'tcp', HOST4, 8081, nobody],
          ['outside', 'tcp', HOST4, 8081, nobody],
          ['peer', 'tcp', HOST4, 8081, nobody],
          ['host', 'tcp', '::1', 8082, red6],
          ['host', 'tcp', '127.0.0.1', 8082, nobody],
          ['outside', 'tcp', HOST6, 8082, nobody],
          ['outside', 'tcp', HOST4, 8083, OUTSIDE4],
          ['outside', 'tcp', HOST6, 8083, nobody],
          ['host', 'tcp', '127.0.0.1', 8083, nobody],
          ['outside', 'tcp', HOST4, 9000, OUTSIDE4],
          ['outside', 'tcp', HOST4, 9001, nobody],
          ['outside', 'udp', HOST4, 53, OUTSIDE4],
          ['outside', 'udp', HOST6, 53, OUTSIDE6],
          ['host', 'udp', HOST4, 53, HOST4],
          ['host', 'udp', '127.0.0.1', 53, red4],
          ['host', 'udp', '::1', 53, red6],
          ['peer', 'udp', HOST4, 53, red4],
          ['outside', 'tcp', HOST4, 53, nobody],
          ['outside', 'tcp', HOST4, 80, nobody],
        ]
        const told: string[] = []
        for (const [where, protocol, address, port] of cells) {
          const seen = await ask(from[where], protocol, address, port)
          told.push(`${where} ${protocol} ${address} ${port}: ${seen ?? 'nobody'}`)
        }
        expect(told).toEqual(
          cells.map(
            ([where, protocol, address, port, seen]) =>
              `${where} ${protocol} ${address} ${port}: ${seen ?? 'nobody'}`,
          ),
        )
      }, 120_000)

      it('are chosen for -P, and told in the log', async () => {
        await createNetwork(host(), 'red', ...NAT, ...RED)
        await startServer('web', 'red', '--expose', '80', '-P')
        const log = await host().engineLog(60)
        const port = Number(/\*:(\d+)->80\/tcp/.exec(log.split('ports published').at(-1) ?? '')?.[1])
        expect(await ask(outside.enter, 'tcp', HOST4, port)).toBe(OUTSIDE4)
      })

      it('that are taken are refused with port and holder', async () => {
        await createNetwork(host(), 'red', ...NAT, ...RED)
        await startContainer(host(), 'first', 'red', '-p', '8080:80')
        const run = [
          'run',
          '-d',
          '--name',
          'second',
          '--net',
          'red',
          '-p',
          '8080:80',
          'busybox:test',
          'sleep',
          '60',
        ]
        const refused = await host().tryDocker(...run)
        expect(refused.code).not.toBe(0)
        expect(refused.stderr).toMatch(
          /cannot publish tcp port 8080 of 0\.0\.0\.0: it is in use by container endpoint [0-9a-f]{12}/,
        )
        await host().docker('rm', '-f', 'first', 'second')
        stops.push(await serve(enterHost(host()), 8080))
        const again = await host().tryDocker(...run)
        expect(again.stderr).toContain('it is in use by another process of this host')
      })

      it('come back by themselves after a flush, a restart of the engine and a kill of the driver', async () => {
        await createNetwork(host(), 'red', ...NAT, ...RED)
        const start = [
          '--restart',
          'always',
          '--ip',
          '10.71.0.10',
          '-p',
          '8080:80',
          '-p',
          '127.0.0.1:8081:80',
        ]
        await startServer('web', 'red', ...start)
        const works = async (): Promise<void> => {
          await eventually(
            'the outside, the host and the container are answered',
            async () => {
              const answers = [
                await ask(outside.enter, 'tcp', HOST4, 8080),
                await ask(enterHost(host()), 'tcp', '127.0.0.1', 8081),
                await ask(await enterContainer(host(), 'web'), 'tcp', OUTSIDE4, 80),
              ]
              return answers.includes(undefined) ? undefined : true
            },
            6_000,
          )
        }
        await works()
        await host().sh('iptables -F; ip6tables -F')
        await works()
        await host().sh('iptables -t nat -F; ip6tables -t nat -F')
        await works()
        await host().sh("kill -KILL $(pgrep -f '[d]ovesnap/main.cjs')")
        await works()
        await host().stopEngine()
        await host().startEngine()
        const enter = await eventually('web runs again', async () => {
          const running = await host().tryDocker('inspect', '-f', '{{.State.Running}}', 'web')
          return running.stdout.trim() === 'true' ? enterContainer(host(), 'web') : undefined
        })
        stops.push(await serve(enter, 80))
        await works()
        await host().docker('rm', '-f', 'web')
        await host().docker('network', 'rm', 'red')
        expect((await host().sh('iptables-save; ip6tables-save')).stdout).not.toContain('DOVESNAP')
        // The engine's own rules, which the flush took, are as it makes them at its start.
        before = await host().snapshot()
      }, 120_000)
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
