import type { Engine } from '../e2e/host/engines'
import type { TestHost } from '../e2e/host/host'
import { pluginName, startHost } from '../e2e/host/host'
import type { Outside } from '../e2e/outside'
import { addOutside, enterContainer, OUTSIDE4 } from '../e2e/outside'
import type { Enter } from '../fixtures/helper'
import { datagramRate, roundTrip } from '../fixtures/stream'
import type { DriverName } from './api'
import { createNetwork, DRIVER_NAMES, networkOf, PREFIXES } from './api'
import { tcpRate } from './iperf'
import type { Reading, Samples } from './measure'
import { interleaveReadings } from './measure'

const ROUNDS = 5

interface Ends {
  readonly from: Enter
  readonly to: Enter
  readonly address: string
}

/**
 * What containers get of TCP, of small UDP datagrams and of latency: from one to another of the same network, and from one
 * to the outside through the host's own address. The helpers are Node's: the same at both ends of every path.
 */
export async function traffic(bundle: string, release: Engine): Promise<readonly Samples[]> {
  const host = await startHost({ engine: release, name: 'bench-traffic' })
  let outside: Outside | undefined
  try {
    await host.importBusybox()
    await host.installPlugin(bundle)
    await host.waitForSwitch(pluginName)
    outside = await addOutside(host)
    const inner = new Map<DriverName, Ends>()
    const outer = new Map<DriverName, Ends>()
    for (const driver of DRIVER_NAMES) {
      await createNetwork(host, driver, driver === 'ovs' ? { 'ovs.bridge.mode': 'nat' } : {})
      const [from, to] = [await runContainer(host, driver, 1), await runContainer(host, driver, 2)]
      inner.set(driver, { from, to, address: addressOf(driver, 2) })
      outer.set(driver, { from, to: outside.enter, address: OUTSIDE4 })
    }
    const each = (
      name: string,
      paths: ReadonlyMap<DriverName, Ends>,
      read: (ends: Ends) => Promise<number>,
    ): Readonly<Record<string, Reading>> =>
      Object.fromEntries([...paths].map(([driver, ends]) => [`${name}_${driver}`, () => read(ends)]))
    const tcp = ({ from, to, address }: Ends): Promise<number> => tcpRate(from, to, address)
    const udp = ({ from, to, address }: Ends): Promise<number> => datagramRate(from, to, address)
    const latency = ({ from, to, address }: Ends): Promise<number> => roundTrip(from, to, address)
    return [
      ...(await interleaveReadings(ROUNDS, 'kbit/s', { ...each('tcp', inner, tcp), ...each('tcp_nat', outer, tcp) })),
      ...(await interleaveReadings(ROUNDS, 'packets/s', each('udp', inner, udp))),
      ...(await interleaveReadings(ROUNDS, 'ms', each('round_trip', inner, latency))),
    ]
  } finally {
    await outside?.remove()
    await host.stop()
  }
}

const addressOf = (driver: DriverName, n: number): string => `${PREFIXES[driver]}.9.${n}`

async function runContainer(host: TestHost, driver: DriverName, n: number): Promise<Enter> {
  const name = `traffic-${driver}-${n}`
  const network = ['--net', networkOf(driver), '--ip', addressOf(driver, n)]
  await host.docker('run', '-d', '--name', name, ...network, 'busybox:test', 'sleep', '3600')
  return enterContainer(host, name)
}
