import { describe, expect, it } from '@jest/globals'
import { datagramThroughput, throughput } from '../fixtures/stream'
import { DATAPATHS } from './datapaths'
import { asOptions, attachment, connectContainer, createNetwork, expectReach, startContainer } from './lab'
import { enterContainer } from './outside'
import { furnishWithPlugin, onHost } from './scene'

/** Long enough for what a rate lets through at once, and for TCP's search for it. */
const MEASURED_MS = 8_000

onHost({ title: 'rates on engine %s', name: 'rates', seconds: 90, furnish: furnishWithPlugin }, (host) => {
  describe.each(DATAPATHS)('on the %s datapath', (_, datapath) => {
    it.each([
      [5_000, 'send'],
      [20_000, 'send'],
      [5_000, 'receive'],
      [20_000, 'receive'],
    ] as const)('%d kbit/s is what a container may %s, of streams and of datagrams', async (rate, way) => {
      const option = way === 'send' ? 'ovs.port.ingress_rate' : 'ovs.port.egress_rate'
      await createNetwork(host(), 'mynet', '--subnet', '10.97.0.0/24', ...asOptions(datapath))
      await startContainer(host(), 'other', 'mynet', '--ip', '10.97.0.2')
      await connectContainer(host(), 'limited', 'mynet', `${option}=${rate}`)
      await expectReach(host(), 'limited', 'other')
      const { IPAddress } = await attachment(host(), 'limited', 'mynet')
      const limited = { at: await enterContainer(host(), 'limited'), address: IPAddress }
      const other = { at: await enterContainer(host(), 'other'), address: '10.97.0.2' }
      const [from, to] = way === 'send' ? [limited, other] : [other, limited]
      const streams = await throughput(from.at, to.at, to.address, MEASURED_MS)
      const datagrams = await datagramThroughput(from.at, to.at, to.address, MEASURED_MS, rate * 1.5)
      for (const measured of [streams, datagrams]) {
        expect(measured).toBeGreaterThan(rate * 0.85)
        expect(measured).toBeLessThan(rate * 1.15)
      }
    })
  })
})
