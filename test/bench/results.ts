import type { Samples } from './measure'
import { median } from './measure'

/** What one run of the benchmark measured. */
export interface Results {
  readonly machine: Readonly<Record<string, string | number>>
  readonly samples: readonly Samples[]
}

/** A figure that the benchmark promises, and what is asked of it. */
export interface Figure {
  readonly name: string
  readonly means: string
  readonly value: number
  readonly limit?: { readonly at: 'most' | 'least'; readonly value: number }
}

export const isMet = ({ value, limit }: Figure): boolean =>
  limit === undefined || (limit.at === 'most' ? value <= limit.value : value >= limit.value)

const NEWEST = '28.5'

const MOST = (value: number): Figure['limit'] => ({ at: 'most', value })
const LEAST = (value: number): Figure['limit'] => ({ at: 'least', value })

/** What users of Docker wait for, with this driver and with Docker's own; limits on the newest engine. */
const WAITS = [
  ['connect', 'docker network connect', MOST(1)],
  ['disconnect', 'docker network disconnect', MOST(1)],
  ['first_ping', 'connect until the first ping is answered', MOST(1.2)],
  ['run', 'docker run --rm', MOST(1.1)],
  ['run20', '20 of them at once', MOST(1.1)],
  ['netcreate', 'docker network create', MOST(0.7)],
] as const

/**
 * The figures of a run.
 *
 * @param kernel the same traffic on the kernel's datapath, if it was measured.
 */
export function figures({ samples }: Results, kernel: Results | undefined): readonly Figure[] {
  const of = (name: string, from = samples): number | undefined => {
    const found = from.find((sample) => sample.name === name)
    return found === undefined ? undefined : median(found)
  }
  const made: Figure[] = []
  const add = (name: string, means: string, value: number | undefined, limit?: Figure['limit']): void => {
    if (value === undefined || Number.isNaN(value)) return
    made.push({ name, means, value: Number(value.toPrecision(3)), ...(limit && { limit }) })
  }
  const over = (name: string, other: string, from = samples): number | undefined => {
    const [above, below] = [of(name, from), of(other, from)]
    return above === undefined || below === undefined ? undefined : above / below
  }
  for (const release of [NEWEST, '26.1', '20.10']) {
    for (const [name, means, limit] of WAITS) {
      const isNewest = release === NEWEST
      const ratio = over(`${name}_ovs_${release}`, `${name}_bridge_${release}`)
      const suffix = isNewest ? '' : `_${release}`
      const text = `${means}, against Docker's bridge driver, Docker ${release}`
      add(`${name}_vs_bridge${suffix}`, text, ratio, isNewest ? limit : undefined)
    }
  }
  const cycle = 'CreateEndpoint to DeleteEndpoint, against the least that it takes'
  for (const ports of [1, 100, 300, 1000]) {
    const limit = ports === 1 || ports === 1000 ? MOST(1.3) : undefined
    add(`cycle_vs_floor_${ports}`, `${cycle}, ports: ${ports}`, over(`cycle_${ports}`, `floor_${ports}`), limit)
  }
  add('parallel50_vs_one_1000', '50 endpoints at once, against one; ports: 1000', over('parallel50_1000', 'one_1000'), MOST(3))
  add('driver_growth_1000_vs_1', 'processor time of the driver’s own thread per endpoint, ports: 1000 against 1', over('driver_1000', 'driver_1'), MOST(1.5))
  add('kernel_growth_1000_vs_1', 'of the threads in which the kernel makes and deletes its links', over('kernel_1000', 'kernel_1'))
  add('publish_1000_vs_1', 'one more published port, the thousandth against the first', over('publish_1000', 'publish_1'), MOST(2))
  add('tcp_userspace_vs_bridge', 'TCP between two containers, userspace datapath', over('tcp_ovs', 'tcp_bridge'), LEAST(0.85))
  add('tcp_nat_vs_bridge', 'TCP to the outside, nat mode', over('tcp_nat_ovs', 'tcp_nat_bridge'))
  add('udp_vs_bridge', 'datagrams of 64 bytes per second between two containers', over('udp_ovs', 'udp_bridge'))
  add('udp_nat_vs_bridge', 'the same to the outside, nat mode', over('udp_nat_ovs', 'udp_nat_bridge'))
  add('round_trip_vs_bridge', 'a datagram’s way there and back', over('round_trip_ovs', 'round_trip_bridge'))
  add('round_trip_nat_vs_bridge', 'the same to the outside, nat mode', over('round_trip_nat_ovs', 'round_trip_nat_bridge'))
  if (kernel !== undefined) {
    const from = kernel.samples
    add('tcp_kernel_vs_bridge', 'TCP between two containers, kernel datapath', over('tcp_ovs', 'tcp_bridge', from), LEAST(0.95))
  }
  add('mesh_vs_by_hand', 'TCP over VXLAN between two hosts, against the same made by hand', over('tcp_mesh', 'tcp_by_hand'), LEAST(0.8))
  add('udp_mesh_vs_by_hand', 'datagrams of 64 bytes per second, the same way', over('udp_mesh', 'udp_by_hand'))
  add('round_trip_mesh_vs_by_hand', 'a datagram there and back, the same way', over('round_trip_mesh', 'round_trip_by_hand'))
  add('start_to_listen_s', 'from the driver’s start until it listens, seconds', of('start_to_listen'), MOST(0.3))
  add('start_to_listen_1000_s', 'the same with 1000 endpoints, seconds', of('start_to_listen_1000'), MOST(0.5))
  add('reconcile_1000_s', 'all put right after a restart, 1000 endpoints, a tenth damaged, seconds', of('reconcile_1000'), MOST(5))
  add('rss_mb', 'the driver’s memory with 1000 endpoints, MB', of('rss_1000'), MOST(110))
  add('idle_percent', 'of a processor while nothing happens, 1000 endpoints', of('idle_1000'))
  return made
}
