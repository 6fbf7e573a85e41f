import { describe, expect, it } from '@jest/globals'
import { eventually } from '../host/command'
import { pluginName, type TestHost } from '../host/host'
import {
  createNetwork,
  expectReach,
  lostWhile,
  startContainer,
  startPair,
  untilNothingDiffers,
  untilReached,
} from '../lab'
import { pushPlugin, registryImage, startRegistry, stopRegistry } from '../registry'

const DATAPATH = ['-o', 'ovs.bridge.userspace=false']

/** What traffic in the kernel outlives: ends of the plugin and of each of its processes. */
export function embeddedUpkeep(host: () => TestHost, bundle: string): void {
  async function expectNewContainersWork(): Promise<void> {
    await untilNothingDiffers(host())
    await startContainer(host(), 'late', 'mynet')
    await expectReach(host(), 'late', 'web')
    await expectReach(host(), 'client', 'late')
  }

  describe.each([
    ['flat', []],
    ['nat', ['-o', 'ovs.bridge.mode=nat']],
  ])('a %s network', (_, mode) => {
    it.each([
      ["the driver's process", "pgrep -f '[d]ovesnap/main.cjs'"],
      ['ovs-vswitchd', 'pgrep -x ovs-vswitchd'],
      ['ovsdb-server', 'pgrep -x ovsdb-server'],
    ])('whose traffic goes on where %s is killed, and new containers work', async (_process, find) => {
      await startPair(host(), ...DATAPATH, ...mode)
      const lost = await lostWhile(host(), async () => {
        const killed = (await host().sh(find)).stdout.trim()
        await host().sh(`kill -KILL ${killed}`)
        await eventually('another is there', async () => {
          const now = (await host().trySh(find)).stdout.trim()
          return now !== '' && now !== killed ? true : undefined
        })
        await host().waitForSwitch(pluginName)
        await untilNothingDiffers(host())
      })
      process.stderr.write(`LOST ${_} ${_process} ${lost}\n`)
      expect(lost).toBeLessThanOrEqual(1)
      await expectNewContainersWork()
    })

    it('whose traffic goes on where the plugin is disabled by force and enabled again', async () => {
      await startPair(host(), ...DATAPATH, ...mode)
      const lost = await lostWhile(host(), async () => {
        await host().docker('plugin', 'disable', '-f', pluginName)
        await host().docker('plugin', 'enable', pluginName)
        await host().waitForSwitch(pluginName)
        await untilNothingDiffers(host())
      })
      process.stderr.write(`LOST ${_} disable ${lost}\n`)
      expect(lost).toBeLessThanOrEqual(1)
      await expectNewContainersWork()
    })
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
    await startPair(host(), ...DATAPATH, '-o', 'ovs.bridge.mode=nat')
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
    await startPair(host(), ...DATAPATH, '-o', 'ovs.bridge.mode=nat')
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
      await startPair(host(), ...DATAPATH)
      await pushPlugin(host(), bundle, 'the next one')
      const lost = await lostWhile(host(), async () => {
        await host().docker('plugin', 'disable', '-f', pluginName)
        await host().docker('plugin', 'upgrade', '--grant-all-permissions', pluginName, registryImage)
        await host().docker('plugin', 'enable', pluginName)
        await host().waitForSwitch(pluginName)
        await untilNothingDiffers(host())
      })
      process.stderr.write(`LOST upgrade ${lost}\n`)
      const rootfs = `/var/lib/docker/plugins/${await host().pluginId()}/rootfs`
      expect((await host().sh(`cat ${rootfs}/usr/share/doc/release`)).stdout).toBe('the next one\n')
      await untilReached(host())
      await expectNewContainersWork()
      expect(lost).toBeLessThanOrEqual(1)
    } finally {
      await stopRegistry(host())
    }
  }, 300_000)
}
