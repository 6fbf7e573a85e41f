import { describe, expect, it } from '@jest/globals'
import {
  LOST_AT_START,
  expectReach,
  keepNeighbours,
  lostWhile,
  startContainer,
  startPair,
  untilNothingDiffers,
} from './lab'
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
      ['ovs-vswitchd', ['ovs-vswitchd'], LOST_AT_START],
      ['ovsdb-server', ['ovsdb-server'], 1],
      ['both', ['ovs-vswitchd', 'ovsdb-server'], LOST_AT_START],
    ])('goes on where %s is killed under traffic and started again', async (_, daemons, most) => {
      await startPair(host())
      await keepNeighbours(host())
      const lost = await lostWhile(host(), async () => {
        for (const daemon of daemons) {
          await host().sh(
            `pid=$(pgrep -x ${daemon}); kill -KILL $pid; while [ -e /proc/$pid ]; do sleep 0.1; done`,
          )
        }
        await startSwitch(host())
        await untilNothingDiffers(host())
      })
      expect(lost).toBeLessThanOrEqual(most)
      await startContainer(host(), 'late', 'mynet')
      await expectReach(host(), 'late', 'web')
    })
  })
})
