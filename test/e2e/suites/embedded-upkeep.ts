import { expect, it } from '@jest/globals'
import { eventually } from '../host/command'
import { pluginName, type TestHost } from '../host/host'
import {
  LOST_AT_START,
  asOptions,
  createNetwork,
  expectReach,
  keepNeighbours,
  lostWhile,
  startContainer,
  startPair,
  untilNothingDiffers,
} from '../lab'
import { pushPlugin, registryImage, startRegistry, stopRegistry } from '../registry'

const DATAPATH = asOptions('ovs.bridge.userspace=false')
const NAT = asOptions('ovs.bridge.userspace=false', 'ovs.bridge.mode=nat')

/** What traffic in the kernel outlives: ends of the plugin and of each of its processes. */
export function embeddedUpkeep(host: () => TestHost, bundle: string): void {
  async function untilItIsBack(): Promise<void> {
    await host().waitForSwitch(pluginName)
    await untilNothingDiffers(host())
  }

  async function expectNewContainersWork(): Promise<void> {
    await startContainer(host(), 'late', 'mynet')
    await expectReach(host(), 'late', 'web')
    await expectReach(host(), 'client', 'late')
  }

  it.each([
    ["the driver's process", "pgrep -f '[d]ovesnap/main.cjs'", 1],
    ['ovs-vswitchd', 'pgrep -x ovs-vswitchd', LOST_AT_START],
    ['ovsdb-server', 'pgrep -x ovsdb-server', 1],
  ])('traffic goes on where %s is killed, and new containers work', async (_, find, most) => {
    await startPair(host(), ...NAT)
    await keepNeighbours(host())
    const lost = await lostWhile(host(), async () => {
      const killed = (await host().sh(find)).stdout.trim()
      await host().sh(`kill -KILL ${killed}`)
      await eventually('another is there', async () => {
        const now = (await host().trySh(find)).stdout.trim()
        return now !== '' && now !== killed ? true : undefined
      })
      await untilItIsBack()
    })
    expect(lost).toBeLessThanOrEqual(most)
    await expectNewContainersWork()
  })

  it('traffic goes on where the plugin is disabled by force and enabled again', async () => {
    await startPair(host(), ...NAT)
    await keepNeighbours(host())
    const lost = await lostWhile(host(), async () => {
      await host().docker('plugin', 'disable', '-f', pluginName)
      await host().docker('plugin', 'enable', pluginName)
      await untilItIsBack()
    })
    expect(lost).toBeLessThanOrEqual(LOST_AT_START)
    await expectNewContainersWork()
  })

  it.each([
    ['by force', [['plugin', 'rm', '-f', pluginName]]],
    [
      'after it was disabled by force',
      [
        ['plugin', 'disable', '-f', pluginName],
        ['plugin', 'rm', pluginName],
      ],
    ],
  ])('a plugin that is removed %s under containers and made again begins anew', async (_, commands) => {
    await startPair(host(), ...NAT)
    for (const command of commands) await host().docker(...command)
    await host().installPlugin(bundle)
    await host().waitForSwitch(pluginName)
    // Beside what is left of the old one.
    await createNetwork(host(), 'new', '--subnet', '10.92.0.0/24', ...DATAPATH)
    await startContainer(host(), 'one', 'new', '--ip', '10.92.0.10')
    await startContainer(host(), 'two', 'new')
    await expectReach(host(), 'two', '10.92.0.10')
    const run = await host().tryDocker('run', '--rm', '--net', 'mynet', 'busybox:test', 'true')
    expect(run.stderr).toContain('is not known to this switch: remove it with docker network rm')
    await host().docker('rm', '-f', 'web', 'client')
    await host().docker('network', 'rm', 'mynet')
    await startPair(host(), ...NAT)
    await untilNothingDiffers(host())
    await expectReach(host(), 'two', '10.92.0.10')
  })

  it('docker plugin upgrade, with traffic that goes on', async () => {
    await startRegistry(host())
    try {
      await pushPlugin(host(), bundle)
      await host().docker('plugin', 'rm', '-f', pluginName)
      await host().docker(
        'plugin',
        'install',
        '--grant-all-permissions',
        '--alias',
        pluginName,
        registryImage,
      )
      await host().waitForSwitch(pluginName)
      await pushPlugin(host(), bundle, 'the next one')
      await startPair(host(), ...NAT)
      await keepNeighbours(host())
      const lost = await lostWhile(host(), async () => {
        await host().docker('plugin', 'disable', '-f', pluginName)
        await host().docker('plugin', 'upgrade', '--grant-all-permissions', pluginName, registryImage)
        await host().docker('plugin', 'enable', pluginName)
        await untilItIsBack()
      })
      expect(lost).toBeLessThanOrEqual(LOST_AT_START)
      const rootfs = `/var/lib/docker/plugins/${await host().pluginId()}/rootfs`
      expect((await host().sh(`cat ${rootfs}/usr/share/doc/release`)).stdout).toBe('the next one\n')
      await expectNewContainersWork()
    } finally {
      await stopRegistry(host())
    }
  }, 300_000)
}
