import type { Engine } from '../e2e/host/engines'
import type { TestHost } from '../e2e/host/host'
import type { Outside } from '../e2e/outside'
import { addOutside, enterContainer, OUTSIDE4 } from '../e2e/outside'
import type { Enter } from '../fixtures/helper'
import type { DriverName } from './drivers'
import { addressOf, createNetwork, networkOf, prepareDrivers } from './drivers'
import type { Samples } from './measure'
import type { Path } from './paths'
import { comparePaths } from './paths'
import type { Plan } from './plan'
import { expectKernelDatapath, startSubject } from './subject'

/** Those whose containers reach the outside through the host's own address, with the options that it takes. */
const NAT_OPTIONS: Readonly<Partial<Record<DriverName, Readonly<Record<string, string>>>>> = {
  ovs: { 'ovs.bridge.mode': 'nat' },
  bridge: {},
}

/** What containers get: from one to another of the same network, and from one to the outside through the host's own address. */
export async function traffic(bundle: string, release: Engine, plan: Plan): Promise<readonly Samples[]> {
  const host = await startSubject(bundle, release, 'bench-traffic')
  let outside: Outside | undefined
  try {
    await prepareDrivers(host, plan.drivers)
    outside = await addOutside(host)
    const paths: Record<string, Path> = {}
    for (const driver of plan.drivers) {
      const options = NAT_OPTIONS[driver]
      await createNetwork(host, driver, { ...(options && { options }) })
      const [from, to] = [await runContainer(host, driver, 1), await runContainer(host, driver, 2)]
      paths[driver] = { from, to, address: addressOf(driver, 2) }
      if (options !== undefined) paths[`nat_${driver}`] = { from, to: outside.enter, address: OUTSIDE4 }
    }
    if (plan.isOnKernelDatapath) await expectKernelDatapath(host)
    return await comparePaths(paths, plan.rounds.paths)
  } finally {
    await outside?.remove()
    await host.stop()
  }
}

async function runContainer(host: TestHost, driver: DriverName, n: number): Promise<Enter> {
  const name = `traffic-${driver}-${n}`
  const network = ['--net', networkOf(driver), '--ip', addressOf(driver, n)]
  await host.docker('run', '-d', '--name', name, ...network, 'busybox:test', 'sleep', '3600')
  return enterContainer(host, name)
}
