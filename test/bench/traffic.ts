import type { Engine } from '../e2e/host/engines'
import type { TestHost } from '../e2e/host/host'
import { pluginName, startHost } from '../e2e/host/host'
import type { Outside } from '../e2e/outside'
import { addOutside, enterContainer, OUTSIDE4 } from '../e2e/outside'
import type { Enter } from '../fixtures/helper'
import type { DriverName } from './api'
import { createNetwork, DRIVER_NAMES, networkOf, PREFIXES } from './api'
import type { Samples } from './measure'
import type { Path } from './paths'
import { comparePaths } from './paths'

/** What containers get: from one to another of the same network, and from one to the outside through the host's own address. */
export async function traffic(bundle: string, release: Engine): Promise<readonly Samples[]> {
  const host = await startHost({ engine: release, name: 'bench-traffic' })
  let outside: Outside | undefined
  try {
    await host.importBusybox()
    await host.installPlugin(bundle)
    await host.waitForSwitch(pluginName)
    outside = await addOutside(host)
    const paths: Record<string, Path> = {}
    for (const driver of DRIVER_NAMES) {
      await createNetwork(host, driver, driver === 'ovs' ? { 'ovs.bridge.mode': 'nat' } : {})
      const [from, to] = [await runContainer(host, driver, 1), await runContainer(host, driver, 2)]
      paths[driver] = { from, to, address: addressOf(driver, 2) }
      paths[`nat_${driver}`] = { from, to: outside.enter, address: OUTSIDE4 }
    }
    return await comparePaths(paths)
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
