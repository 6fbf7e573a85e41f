import { afterEach, describe, expect, it } from '@jest/globals'
import type { Controller } from '../../fixtures/controller'
import { startController } from '../../fixtures/controller'
import { listen, send } from '../../fixtures/datagrams'
import type { Enter } from '../../fixtures/helper'
import { advertiseRouter } from '../../fixtures/router-advertisement'
import { throughput } from '../../fixtures/stream'
import { eventually, tryRun } from '../host/command'
import type { TestHost } from '../host/host'
import {
  asOptions,
  attachment,
  connectContainer,
  createNetwork,
  expectReach,
  inside,
  reaches,
  startContainer,
  untilNothingDiffers,
} from '../lab'
import { enterContainer, enterHost } from '../outside'

/** Who decides on what is forwarded: controllers, rates and the rules of port security. */
export function openFlow(host: () => TestHost): void {
  describe('OpenFlow', () => {
    let controller: Controller | undefined

    afterEach(() => {
      controller?.stop()
    })

    it('a controller decides what is forwarded, and what it said last goes on without it', async () => {
      await createNetwork(
        host(),
        'mynet',
        ...asOptions(
          'ovs.bridge.controller=tcp:127.0.0.1:6653',
          'ovs.bridge.dpid=0xabc',
          'ovs.bridge.protocols=OpenFlow13',
        ),
      )
      await startContainer(host(), 'one', 'mynet')
      await startContainer(host(), 'two', 'mynet')
      expect(await reaches(host(), 'one', 'two')).toBe(false)
      controller = await startController(enterHost(host()), 6653)
      await eventually(
        'the controller lets them',
        async () => ((await reaches(host(), 'one', 'two')) ? true : undefined),
        30_000,
      )
      expect(controller.datapathIds()).toContain('0000000000000abc')
      controller.stop()
      await expectReach(host(), 'two', 'one')
    })

    it('standalone, it is a switch while no controller answers', async () => {
      await createNetwork(
        host(),
        'mynet',
        ...asOptions('ovs.bridge.controller=tcp:127.0.0.1:6653', 'ovs.bridge.fail_mode=standalone'),
      )
      await startContainer(host(), 'one', 'mynet')
      await startContainer(host(), 'two', 'mynet')
      // ovs-vswitchd waits for its controllers before it falls back (inactivity probes, ovs-vswitchd.conf.db(5)).
      await eventually(
        'the switch forwards by itself',
        async () => ((await reaches(host(), 'one', 'two')) ? true : undefined),
        50_000,
      )
    })

    it('spanning tree and multicast snooping do no harm', async () => {
      await createNetwork(
        host(),
        'mynet',
        ...asOptions(
          'ovs.bridge.rstp=true',
          'ovs.bridge.mcast_snooping=true',
          'ovs.bridge.hwaddr=02:00:00:00:00:07',
        ),
      )
      await startContainer(host(), 'one', 'mynet')
      await startContainer(host(), 'two', 'mynet')
      await eventually(
        'ports forward',
        async () => ((await reaches(host(), 'one', 'two')) ? true : undefined),
        30_000,
      )
    })
  })

  describe('rates', () => {
    const rate = 20_000
    it.each([
      ['send', ['ovs.port.ingress_rate=20000'], 'limited', 'other'],
      ['receive', ['ovs.port.egress_rate=20000'], 'other', 'limited'],
    ] as const)('hold what a container may %s', async (_, options, from, to) => {
      await createNetwork(host(), 'mynet', '--subnet', '10.97.0.0/24')
      await startContainer(host(), 'other', 'mynet', '--ip', '10.97.0.2')
      await connectContainer(host(), 'limited', 'mynet', ...options)
      await expectReach(host(), 'limited', 'other')
      const { IPAddress } = await attachment(host(), 'limited', 'mynet')
      const addresses = { other: '10.97.0.2', limited: IPAddress }
      const at = {
        limited: await enterContainer(host(), 'limited'),
        other: await enterContainer(host(), 'other'),
      }
      const measured = await throughput(at[from], at[to], addresses[to])
      expect(measured).toBeGreaterThan(rate * 0.85)
      expect(measured).toBeLessThan(rate * 1.15)
      expect(await throughput(at[to], at[from], addresses[from])).toBeGreaterThan(rate * 2)
    })
  })

  describe('port security', () => {
    it('lets a container send from its own addresses only', async () => {
      await createNetwork(
        host(),
        'mynet',
        '--ipv6',
        '--subnet',
        '10.95.0.0/24',
        '--subnet',
        'fd95::/64',
        ...asOptions('ovs.port.security=true'),
      )
      await startContainer(
        host(),
        'one',
        'mynet',
        '--ip',
        '10.95.0.10',
        '--ip6',
        'fd95::10',
        '--cap-add',
        'NET_ADMIN',
      )
      await startContainer(host(), 'two', 'mynet', '--ip', '10.95.0.11', '--ip6', 'fd95::11')
      await expectReach(host(), 'one', '10.95.0.11')
      await expectReach(host(), 'one', 'fd95::11')
      await expectReach(host(), 'two', 'fd95::10')
      await inside(host(), 'one', 'ip', 'address', 'add', '10.95.0.66/24', 'dev', 'eth0')
      await inside(host(), 'one', 'ip', 'address', 'add', 'fd95::66/64', 'dev', 'eth0')
      const asAnother = ['-c', '2', '-W', '1', '-I']
      for (const [source, target] of [
        ['10.95.0.66', '10.95.0.11'],
        ['fd95::66', 'fd95::11'],
      ] as const) {
        expect((await host().tryDocker('exec', 'one', 'ping', ...asAnother, source, target)).code).not.toBe(0)
      }
      expect(await reaches(host(), 'two', '10.95.0.66')).toBe(false)
      await expectReach(host(), 'one', '10.95.0.11')
      await inside(
        host(),
        'one',
        'sh',
        '-c',
        'ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:66; ip link set eth0 up',
      )
      expect(await reaches(host(), 'one', '10.95.0.11')).toBe(false)
      await untilNothingDiffers(host())
    })

    it.each([
      [true, 0],
      [false, 1],
    ])('%s: of what a DHCP server says %d arrives', async (security, expected) => {
      await createNetwork(
        host(),
        'mynet',
        '--subnet',
        '10.95.0.0/24',
        ...asOptions(`ovs.port.security=${security}`),
      )
      await startContainer(host(), 'one', 'mynet', '--ip', '10.95.0.10')
      await startContainer(host(), 'two', 'mynet', '--ip', '10.95.0.11')
      await expectReach(host(), 'one', '10.95.0.11')
      const listener = await listen(await enterContainer(host(), 'two'), 68)
      await send(await enterContainer(host(), 'one'), { to: '10.95.0.255', port: 68, from: 67 })
      await send(await enterContainer(host(), 'one'), { to: '10.95.0.255', port: 68, from: 1067 })
      await eventually('the other datagram', () =>
        Promise.resolve(listener.count() > expected ? true : undefined),
      )
      listener.stop()
      expect(listener.count()).toBe(expected + 1)
    })

    it.each([
      ['true', ''],
      ['false', 'default via fe80:'],
    ])(
      '%s: a container that says it is a router makes of the others’ routes "%s"',
      async (security, route) => {
        const pools = ['--ipv6', '--subnet', '10.95.0.0/24', '--subnet', 'fd95::/64']
        await createNetwork(host(), 'mynet', ...pools, ...asOptions(`ovs.port.security=${security}`))
        await startContainer(host(), 'one', 'mynet', '--ip6', 'fd95::10')
        await startContainer(host(), 'two', 'mynet', '--ip6', 'fd95::11')
        const [router, other] = [await enterContainer(host(), 'one'), await enterContainer(host(), 'two')]
        const within = async ([command, ...at]: Enter, ...rest: readonly string[]): Promise<string> =>
          (await tryRun([command, ...at, ...rest])).stdout.trim()
        await within(other, 'sh', '-c', 'echo 2 >/proc/sys/net/ipv6/conf/eth0/accept_ra')
        const routes = (): Promise<string> =>
          within(other, 'ip', '-6', 'route', 'show', 'default', 'proto', 'ra')
        for (const at of [router, other]) {
          await eventually('its link-local address is in use', async () =>
            /fe80:\S+ scope link( proto kernel_ll)?\s*$/m.test(
              await within(at, 'ip', '-6', 'address', 'show', 'dev', 'eth0'),
            )
              ? true
              : undefined,
          )
        }
        await advertiseRouter(router)
        // Behind the advertisement on its way.
        await expectReach(host(), 'one', 'fd95::11')
        if (route !== '') {
          await eventually('the other takes the route', async () => {
            await advertiseRouter(router)
            return (await routes()).startsWith(route) ? true : undefined
          })
        } else {
          expect(await routes()).toBe('')
        }
      },
    )
  })
}
