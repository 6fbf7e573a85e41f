import { describe, expect, it } from '@jest/globals'
import { ask } from '../../fixtures/traffic'
import { eventually } from '../host/command'
import type { TestHost } from '../host/host'
import { createNetwork, startContainer } from '../lab'
import { enterContainer, enterHost, HOST4, HOST6, OUTSIDE4, OUTSIDE6 } from '../outside'
import { BLUE, NAT, RED, routedScene } from '../routed-scene'

/** Ports of containers at ports of the host. */
export function publishing(host: () => TestHost): void {
  describe('published ports', () => {
    const { outside, startServer, serveAt, rebase } = routedScene(host)

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
        outside: outside().enter,
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
      expect(await ask(outside().enter, 'tcp', HOST4, port)).toBe(OUTSIDE4)
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
      await serveAt(enterHost(host()), 8080)
      const again = await host().tryDocker(...run)
      expect(again.stderr).toContain('it is in use by another process of this host')
    })

    it('come back by themselves after a flush, a reload of the host’s rules, a kill of the driver and a restart of the engine', async () => {
      await createNetwork(host(), 'red', ...NAT, ...RED)
      const start = ['--restart', 'always', '--ip', '10.71.0.10', '-p', '8080:80', '-p', '127.0.0.1:8081:80']
      await startServer('web', 'red', ...start)
      const works = async (): Promise<void> => {
        await eventually(
          'the outside, the host and the container are answered',
          async () => {
            const answers = [
              await ask(outside().enter, 'tcp', HOST4, 8080),
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
      const reload = (tool: string): string =>
        `${tool}-save | grep -v DOVESNAP >/tmp/rules; ${tool}-restore </tmp/rules`
      await host().sh(`${reload('iptables')}; ${reload('ip6tables')}; rm /tmp/rules`)
      await works()
      await host().sh("kill -KILL $(pgrep -f '[d]ovesnap/main.cjs')")
      await works()
      await host().stopEngine()
      await host().startEngine()
      const enter = await eventually('web runs again', async () => {
        const running = await host().tryDocker('inspect', '-f', '{{.State.Running}}', 'web')
        return running.stdout.trim() === 'true' ? enterContainer(host(), 'web') : undefined
      })
      await serveAt(enter, 80)
      await works()
      await host().docker('rm', '-f', 'web')
      await host().docker('network', 'rm', 'red')
      expect((await host().sh('iptables-save; ip6tables-save')).stdout).not.toContain('DOVESNAP')
      // The engine's own rules, which the flush took, are as it makes them at its start.
      await rebase()
    }, 120_000)
  })
}
