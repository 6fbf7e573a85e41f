import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CreateEndpointRequest } from '../../src/driver/api'
import { attach, endpointRequest, makeHost, networkRequest, never } from '../integration/driver/fixture'
import type { Samples } from './measure'
import { interleave, nothing } from './measure'
import { openFloor } from './floor'

const ROUNDS = 20
const CROWDS = [1, 100, 300, 1000] as const
const AT_ONCE = 50
/** Of the processor's time one cycle is too little to tell. */
const CYCLES_A_READING = 10
const READINGS = 5
/** A processor that has waited works slower at first: what it takes is compared at the same pace, whoever it waits for. */
const PACE_MS = 250

/**
 * A container's whole life as the driver sees it (CreateEndpoint, Join, Leave, DeleteEndpoint), with more and more other
 * ports on the switch; beside it the least that it takes; and what of the processor the driver itself takes for it.
 */
export async function cycles(): Promise<readonly Samples[]> {
  const host = await makeHost()
  try {
    const plugin = await host.startProcess()
    const { driver } = plugin
    const { networkId } = networkRequest()
    await driver.createNetwork({ ...networkRequest(), networkId, ipv4: [{ pool: '10.7.0.0/16' }] }, never)
    let made = 0
    const create = async (): Promise<CreateEndpointRequest> => {
      made += 1
      const address = `10.7.${(made >> 8) & 255}.${made & 255}/16`
      const request = endpointRequest(networkId, { ipv4Address: address })
      await attach(plugin, request)
      return request
    }
    const remove = async (request: CreateEndpointRequest): Promise<void> => {
      await driver.leave(request, never)
      await driver.deleteEndpoint(request, never)
    }
    const floor = await openFloor(host, `ovsbr-${networkId.slice(0, 5)}`)
    const samples: Samples[] = []
    let others = 0
    for (const crowd of CROWDS) {
      while (others < crowd) {
        const batch = Math.min(AT_ONCE, crowd - others)
        await Promise.all(Array.from({ length: batch }, create))
        others += batch
      }
      samples.push(
        ...(await interleave(ROUNDS, {
          [`cycle_${crowd}`]: async () => {
            await remove(await create())
            return () => floor.settle()
          },
          [`floor_${crowd}`]: async () => {
            await floor.cycle()
            return nothing
          },
          [`one_${crowd}`]: async () => {
            const request = await create()
            return async () => {
              await remove(request)
              await floor.settle()
            }
          },
          [`parallel50_${crowd}`]: async () => {
            const requests = await Promise.all(Array.from({ length: AT_ONCE }, create))
            return async () => {
              await Promise.all(requests.map(remove))
              await floor.settle()
            }
          },
        })),
        ...(await processorTimes(crowd, async () => {
          await remove(await create())
        })),
      )
    }
    await floor.close()
    return samples
  } finally {
    await host.dispose()
  }
}

/**
 * Of this process, per cycle: `driver_…` the thread that the driver's own code runs in, `kernel_…` the others, in which the
 * kernel does what netlink asks of it, and the more of it the more links there are. What ovs-vswitchd takes, and the
 * kernel's waits, are in neither.
 */
async function processorTimes(crowd: number, cycle: () => Promise<void>): Promise<readonly Samples[]> {
  const [driver, kernel]: [number[], number[]] = [[], []]
  for (let reading = 0; reading <= READINGS; reading += 1) {
    const [wholeBefore, ownBefore] = [process.cpuUsage(), await ownMilliseconds()]
    for (let n = 0; n < CYCLES_A_READING; n += 1) await Promise.all([cycle(), sleep(PACE_MS)])
    const { user, system } = process.cpuUsage(wholeBefore)
    const own = (await ownMilliseconds()) - ownBefore
    if (reading === 0) continue
    driver.push(own / CYCLES_A_READING)
    kernel.push(((user + system) / 1000 - own) / CYCLES_A_READING)
  }
  return [
    { name: `driver_${crowd}`, unit: 'ms', values: driver },
    { name: `kernel_${crowd}`, unit: 'ms', values: kernel },
  ]
}

/** What the main thread has been on a processor (Documentation/scheduler/sched-stats.rst in the kernel's sources). */
async function ownMilliseconds(): Promise<number> {
  const [nanoseconds = ''] = (await readFile(`/proc/self/task/${process.pid}/schedstat`, 'utf8')).split(' ')
  return Number(nanoseconds) / 1e6
}
