import { describe, expect, it } from '@jest/globals'
import { expectReach, keepNeighbours, lostWhile, startContainer, startPair, untilNothingDiffers } from './lab'
import { startSwitch } from './own-switch'
import { bundle, onHost } from './scene'
import { ownSwitch, ownSwitchScene } from './suites/own-switch'

onHost(ownSwitchScene('own-kernel', bundle), (host) => {
  describe('on the kernel datapath', () => {
    ownSwitch(host, bundle)

    it('is on the kernel datapath', async () => {
      await startPair(host())
      expect((await host().sh('ovs-appctl dpif/show')).stdout).toMatch(/^system@ovs-system:/)
    })

    it.each([
      ['ovs-vswitchd', 'kill -KILL $(pgrep -x ovs-vswitchd)'],
      ['ovsdb-server', 'kill -KILL $(pgrep -x ovsdb-server)'],
      ['both', 'kill -KILL $(pgrep -x ovs-vswitchd) $(pgrep -x ovsdb-server)'],
    ])('goes on where %s is killed under traffic and started again', async (_, kill) => {
      await startPair(host())
      await keepNeighbours(host())
      const lost = await lostWhile(host(), async () => {
        await host().sh(kill)
        await startSwitch(host())
        await untilNothingDiffers(host())
      })
      expect(lost).toBeLessThanOrEqual(1)
      await startContainer(host(), 'late', 'mynet')
      await expectReach(host(), 'late', 'web')
    })
  })
})
