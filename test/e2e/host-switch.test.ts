import { expect, it } from '@jest/globals'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from './host/command'
import {
  createNetwork,
  expectReach,
  startContainer,
  startPair,
  untilNothingDiffers,
  untilReached,
} from './lab'
import { startSwitch } from './own-switch'
import { bundle, onHost } from './scene'
import { ownSwitch, ownSwitchScene } from './suites/own-switch'

onHost(ownSwitchScene('own-switch', bundle), (host) => {
  ownSwitch(host, bundle)

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
