import { expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from './host/command'
import { pluginName, type TestHost } from './host/host'
import {
  createNetwork,
  expectReach,
  startContainer,
  startPair,
  untilNothingDiffers,
  untilReached,
  whilePinging,
} from './lab'
import { startSwitch } from './own-switch'
import { bundle, onHost, useOnce } from './scene'

const settings = ['ovs.source=/run']

const scene = {
  title: "engine %s with the host's own Open vSwitch",
  name: 'own-switch',
  hasSwitch: true,
  seconds: 120,
  async furnish(host: TestHost) {
    await startSwitch(host)
    await host.installPlugin(bundle, { settings })
    await useOnce(host)
  },
} as const

onHost(scene, (host) => {
  it('uses it, and starts none of its own', async () => {
    await startPair(host())
    expect((await host().sh('ovs-vsctl list-br')).stdout).toMatch(/^ovsbr-\w{5}\n$/)
    expect((await host().sh('pgrep -c ovs-vswitchd')).stdout).toBe('1\n')
  })

  it('loses no packet where the plugin is disabled by force and enabled again', async () => {
    await startPair(host())
    await whilePinging(host(), async () => {
      await host().docker('plugin', 'disable', '-f', pluginName)
      await host().docker('plugin', 'enable', pluginName)
    })
    await startContainer(host(), 'late', 'mynet')
    await expectReach(host(), 'late', 'web')
  })

  it('knows its networks still where the plugin is removed by force and created again', async () => {
    await startPair(host())
    await whilePinging(host(), async () => {
      await host().docker('plugin', 'rm', '-f', pluginName)
      await host().installPlugin(bundle, { settings })
    })
    await startContainer(host(), 'late', 'mynet')
    await expectReach(host(), 'late', 'web')
  })

  it('goes on where ovs-vswitchd is killed and started again', async () => {
    await startPair(host())
    await host().sh('kill -KILL $(pgrep -x ovs-vswitchd)')
    await startContainer(host(), 'meanwhile', 'mynet').catch(() => undefined)
    await startSwitch(host())
    await untilReached(host())
    await startContainer(host(), 'late', 'mynet')
    await expectReach(host(), 'late', 'web')
    await untilNothingDiffers(host())
  })

  it('keeps to it after a reboot at which it is 15 s late, and 50 containers with a restart policy are there', async () => {
    await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
    const names = Array.from({ length: 50 }, (_, n) => `c${n}`)
    await host().sh(
      `for name in ${names.join(' ')}; do docker run -d --restart always --name $name --net mynet busybox:test ` +
        'sleep 3600 >/dev/null & done; wait',
    )
    await host().reboot()
    const engineIsUp = host().startEngine()
    await sleep(15_000)
    await startSwitch(host())
    await engineIsUp
    await eventually('all containers run', async () => {
      const { stdout } = await host().docker('ps', '-q')
      return stdout.trim().split('\n').length === names.length ? true : undefined
    })
    await untilNothingDiffers(host())
    for (const name of names.slice(1)) await expectReach(host(), name, 'c0')
    expect((await host().sh('pgrep -c ovs-vswitchd')).stdout).toBe('1\n')
  }, 240_000)
})
