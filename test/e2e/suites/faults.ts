import { describe, it } from '@jest/globals'
import { eventually } from '../host/command'
import type { TestHost } from '../host/host'
import {
  bridgeOf,
  createNetwork,
  expectReach,
  hostLinkOf,
  startContainer,
  startPair,
  untilNothingDiffers,
  untilReached,
  whilePinging,
} from '../lab'

/** Containers that talk, and what may happen to the software below them meanwhile. */
export function faults(host: () => TestHost): void {
  const kill = (processes: string): Promise<unknown> => host().sh(`kill -KILL $(pgrep ${processes})`)

  describe('no packet is lost where', () => {
    it('the driver is killed', async () => {
      await startPair(host())
      await whilePinging(host(), () => kill("-f '[d]ovesnap/main.cjs'"))
    })
  })

  describe('the driver puts right by itself', () => {
    it('what ends with an ovs-vswitchd that is killed', async () => {
      await startPair(host())
      await kill('-x ovs-vswitchd')
      await untilReached(host())
      await startContainer(host(), 'late', 'mynet')
      await expectReach(host(), 'late', 'web')
    })

    it('what stands still with an ovsdb-server that is killed', async () => {
      await startPair(host())
      await kill('-x ovsdb-server')
      await untilReached(host())
      await createNetwork(host(), 'another')
    })

    it('a port and a bridge that an operator deleted', async () => {
      const id = await startPair(host(), '-o', 'ovs.bridge.mode=nat')
      await untilNothingDiffers(host())
      const [bridge, port] = [await bridgeOf(host(), id), await hostLinkOf(host(), 'web')]
      await host().ovs('ovs-vsctl', 'del-port', bridge, port)
      await untilReached(host())
      await host().ovs('ovs-vsctl', 'del-br', bridge)
      await untilReached(host())
      await eventually('the gateway answers', async () =>
        (await host().tryDocker('exec', 'client', 'ping', '-c', '1', '-W', '1', '10.91.0.1')).code === 0
          ? true
          : undefined,
      )
      await untilNothingDiffers(host())
    })

    it('shows what it would put right', async () => {
      const id = await startPair(host())
      const port = await hostLinkOf(host(), 'web')
      const bridge = await bridgeOf(host(), id)
      // The driver hears of it at once; what it does about it waits for its next round, which may be just then.
      await eventually('the missing port shows', async () => {
        await host().ovs('ovs-vsctl', '--no-wait', '--if-exists', 'del-port', bridge, port)
        return (await host().differences()).includes(`Port ${port} is missing`) ? true : undefined
      })
      await untilNothingDiffers(host())
    })
  })
}
