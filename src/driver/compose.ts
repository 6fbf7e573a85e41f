import type { Logger } from '../log'
import { Applier } from './apply'
import type { Clock } from './clock'
import { OvsNetworkDriver } from './driver'
import type { Firewall } from './firewall'
import type { HostNetwork } from './host-network'
import type { HostPorts } from './host-ports'
import { KeyedLock } from './keyed-lock'
import type { Links } from './links'
import { Publisher } from './publisher'
import { Reconciler } from './reconcile'
import { Routing } from './routing'
import type { Switch } from './switch'

/** What the driver works with; each the only way to its part of the host. */
export interface Host {
  readonly ovs: Switch
  readonly links: Links
  readonly network: HostNetwork
  readonly firewall: Firewall
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
  const routing = new Routing(ovs, host.network, host.firewall, locks, log)
  const publisher = new Publisher(ovs, host.ports, routing, locks, clock, log)
  const applier = new Applier(ovs, links, routing, publisher, locks, clock, log)
  const driver = new OvsNetworkDriver(ovs, applier, publisher, locks, clock, log)
  const reconciler = new Reconciler(
    { ovs, links, applier, routing, publisher, locks, clock, log },
    driver.madeHere,
  )
  return { driver, reconciler }
}
