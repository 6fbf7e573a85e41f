import type { DriverName } from './drivers'
import type { SpanName } from './spans'

/** What a run measures: which parts, of what, and how often. */
export interface Plan {
  readonly parts: readonly PartName[]
  readonly drivers: readonly DriverName[]
  readonly spans: readonly SpanName[]
  readonly rounds: Rounds
  /** Whether the kernel's datapath must be there. */
  readonly isOnKernelDatapath: boolean
}

interface Rounds {
  readonly networks: number
  readonly connections: number
  readonly firstPings: number
  readonly runs: number
  readonly runsAtOnce: number
  readonly paths: number
}

export type PartName = 'publishing' | 'cycles' | 'crowd' | 'engine' | 'traffic' | 'mesh'

export const PLANS: Readonly<Record<'machine' | 'guest', Plan>> = {
  machine: {
    parts: ['publishing', 'cycles', 'crowd', 'engine', 'traffic', 'mesh'],
    drivers: ['ovs', 'bridge'],
    spans: ['mesh', 'by_hand'],
    rounds: { networks: 20, connections: 20, firstPings: 20, runs: 10, runsAtOnce: 4, paths: 5 },
    isOnKernelDatapath: false,
  },
  // Fewer rounds, for a guest is slow; more drivers, for its kernel has all that they need.
  guest: {
    parts: ['traffic', 'mesh', 'engine'],
    drivers: ['ovs', 'bridge', 'macvlan', 'overlay'],
    spans: ['mesh', 'own_tunnel', 'swarm'],
    rounds: { networks: 7, connections: 7, firstPings: 7, runs: 5, runsAtOnce: 2, paths: 5 },
    isOnKernelDatapath: true,
  },
}
