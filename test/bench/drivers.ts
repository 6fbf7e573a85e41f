import { eventually } from '../e2e/host/command'
import type { TestHost } from '../e2e/host/host'
import { pluginName } from '../e2e/host/host'
import { api } from './api'

/** What is compared, as Docker calls it, and the first half of the subnet of either network that a part makes of it. */
const DRIVERS = {
  ovs: { driver: pluginName, bench: '10.80', spare: '10.81' },
  bridge: { driver: 'bridge', bench: '10.90', spare: '10.82' },
  macvlan: { driver: 'macvlan', bench: '10.100', spare: '10.101' },
  overlay: { driver: 'overlay', bench: '10.110', spare: '10.111' },
} as const

export type DriverName = keyof typeof DRIVERS

/** One that containers are on, and one that is only made and removed. */
type Role = 'bench' | 'spare'

/** The engine has a network named `bridge` of its own. */
export const networkOf = (driver: DriverName, role: Role = 'bench'): string => `${role}-${driver}`

/** An address in the driver's network that Docker gives to nobody by itself so soon. */
export const addressOf = (driver: DriverName, n: number): string => `${DRIVERS[driver].bench}.9.${n}`

const parentOf = (role: Role): string => `${role}-parent`

/** What networks of these drivers need of their host. */
export async function prepareDrivers(host: TestHost, drivers: readonly DriverName[]): Promise<void> {
  if (drivers.includes('macvlan')) {
    for (const role of ['bench', 'spare'] as const) {
      await host.sh(`
        ip link add ${parentOf(role)} up type veth peer name ${role}-beyond
        ip link set ${role}-beyond up`)
    }
  }
  if (drivers.includes('overlay')) await host.docker('swarm', 'init', '--advertise-addr', '127.0.0.1')
}

export async function createNetwork(
  host: TestHost,
  driver: DriverName,
  { role = 'bench', options = {} }: { role?: Role; options?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  await api(host, 'POST', '/networks/create', {
    Name: networkOf(driver, role),
    Driver: DRIVERS[driver].driver,
    IPAM: { Config: [{ Subnet: `${DRIVERS[driver][role]}.0.0/16` }] },
    Options: driver === 'macvlan' ? { ...options, parent: parentOf(role) } : options,
    // Without it an overlay network takes services alone.
    ...(driver === 'overlay' && { Attachable: true }),
  })
}

export async function removeNetwork(host: TestHost, driver: DriverName, role: Role = 'bench'): Promise<void> {
  await api(host, 'DELETE', `/networks/${networkOf(driver, role)}`)
}

/** A swarm lets go of a network a moment after its last container is gone. */
export async function removeLeftNetwork(host: TestHost, driver: DriverName): Promise<void> {
  await eventually(`${networkOf(driver)} is removed`, async () => {
    await removeNetwork(host, driver)
    return true
  })
}
