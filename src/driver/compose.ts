import type { Logger } from '../log'
import { Abandoned } from './abandoned'
import { EndpointApplier } from './apply-endpoint'
import { NetworkApplier } from './apply-network'
import type { Clock } from './clock'
import { OvsNetworkDriver } from './driver'
import type { Firewall, OtherFilters } from './firewall'
import type { FlowTables } from './flow-tables'
import type { HostNetwork } from './host-network'
import type { HostPorts } from './host-ports'
import { KeyedLock } from './keyed-lock'
import type { Links } from './links'
import { PortGuards } from './port-guards'
import { Publisher } from './publisher'
import { Reconciler } from './reconcile'
import { Records } from './records'
import { Routing } from './routing'
import { WayOut } from './way-out'
import type { Switch } from './switch'
import { NetworkUnderlay } from './underlay'
import type { UnderlayLinks } from './underlay-links'
import { createUndo } from './undo'

/** What the driver works with; each the only way to its part of the host. */
export interface Host {
  readonly ovs: Switch
  readonly links: Links
  readonly underlay: UnderlayLinks
  readonly flows: FlowTables
  readonly network: HostNetwork
  readonly firewall: Firewall
  readonly otherFilters: OtherFilters
  readonly ports: HostPorts
  readonly clock: Clock
  readonly log: Logger
}

/** Puts the driver together: what answers Docker, and what keeps the host right meanwhile. */
export function composeDriver(host: Host): {
  readonly driver: OvsNetworkDriver
  readonly reconciler: Reconciler
} {
  const { ovs, links, clock, log } = host
  const locks = new KeyedLock()
  const records = new Records(() => ovs.records())
  const { network, firewall, otherFilters } = host
  const wayOut = new WayOut(otherFilters, clock, log)
  const routing = new Routing(ovs, records, network, firewall, wayOut, locks, clock, log)
  const underlay = new NetworkUnderlay(ovs, records, host.underlay, locks, log)
  const guards = new PortGuards(ovs, records, host.flows, locks, log)
  const publisher = new Publisher(records, host.ports, routing, locks, clock, log)
  const abandoned = new Abandoned(records)
  const undo = createUndo(clock, log)
  const networks = new NetworkApplier(ovs, records, links, underlay, guards, routing, locks, abandoned, undo)
  const endpoints = new EndpointApplier(ovs, links, networks, guards, publisher, abandoned, undo)
  const appliers = { networks, endpoints, abandoned }
  const driver = new OvsNetworkDriver(ovs, records, appliers, publisher, locks, clock, log)
  const reconciler = new Reconciler(
    { ovs, records, links, ...appliers, underlay, guards, routing, publisher, locks, clock, log },
    driver.madeHere,
  )
  return { driver, reconciler }
}
