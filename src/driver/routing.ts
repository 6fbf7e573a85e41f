import { DriverError } from '../errors'
import type { Logger } from '../log'
import type { Attempts } from './attempt'
import { desiredFilter, desiredGateway, redirectedPorts } from './desired'
import type { FilteredNetwork, Firewall } from './firewall'
import type { ForwardedFamilies, HostNetwork } from './host-network'
import type { Clock } from './clock'
import type { KeyedLock } from './keyed-lock'
import { lockKey } from './locks'
import { isRouted } from './network'
import type { EndpointRecord, NetworkRecord, Records } from './records'
import { endpointChange, sysctlChange } from './records'
import { familyOf, plainAddress, realPools } from './subnets'
import { Sweep } from './sweep'
import type { Switch } from './switch'
import type { WayOut } from './way-out'

/**
 * At boot plugins start before Docker's own bridge driver, which sets the policy of FORWARD to DROP only where it turns
 * forwarding on itself, and where it does, the setting is the engine's. A slow host takes many seconds until then.
 */
const ENGINE_START_MS = 30_000

/**
 * Keeps this host's own stack the gateway of nat and routed networks: addresses, forwarding, packet filter. The filter
 * is changed under one lock together with the records it follows from, so that a comparison never sees one without the
 * other.
 */
export class Routing {
  private readonly sweep = new Sweep()
  private readonly started: number

  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly host: HostNetwork,
    private readonly firewall: Firewall,
    private readonly wayOut: WayOut,
    private readonly locks: KeyedLock,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    this.started = clock.now()
  }

  /** @throws DriverError where the kernel lacks a family of the network's: Docker starts its containers without a word. */
  async refuseWithoutIPv6({ ipv6 }: Pick<NetworkRecord, 'ipv6'>): Promise<void> {
    if (realPools(ipv6).length === 0 || (await this.host.hasIPv6())) return
    throw DriverError.of('IPV6_MISSING', [])
  }

  /** Idempotent; nothing on flat networks. The gateway's link is there already. */
  async ensure(network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const gateway = this.gatewayOf(network)
    if (gateway === undefined) return
    this.sweep.begin()
    await this.host.ensureGateway(gateway, signal)
    await this.locks.run(lockKey.host, async () => {
      await this.ensureForwarding([network], signal)
      const filter = this.filterOf(network)
      if (filter !== undefined) await this.firewall.ensureNetwork(filter, signal)
    })
  }

  /** Idempotent; for a network whose record and gateway link are gone. The last one takes forwarding along. */
  async remove(network: NetworkRecord, signal: AbortSignal): Promise<void> {
    if (!isRouted(network)) return
    await this.removeAddresses(network, signal)
    await this.locks.run(lockKey.host, async () => {
      await this.firewall.removeNetwork(network.id, signal)
      await this.restoreForwarding(signal)
    })
  }

  /** The local port of a bridge that others share outlives the network whose gateway it was. */
  private async removeAddresses(network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const bridge = this.ovs.bridge(network.bridge)
    const gateway = this.gatewayOf(network)
    if (bridge === undefined || gateway?.name !== bridge.name) return
    await this.host.ensureGateway({ ...gateway, addresses: [] }, signal)
  }

  /** Records the endpoint with its published ports and redirects them to it. */
  async publish(endpoint: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    await this.locks.run(lockKey.host, async () => {
      await this.ovs.putRecord(endpointChange(endpoint), signal)
      const filter = this.filterOf(network)
      if (filter !== undefined) await this.firewall.publish(filter, redirectedPorts(endpoint), signal)
    })
  }

  /** No longer redirects the endpoint's published ports, nor records them, if its record is still there. */
  async unpublish(endpoint: EndpointRecord, signal: AbortSignal): Promise<void> {
    await this.locks.run(lockKey.host, async () => {
      const record = this.records.endpoint(endpoint.id)
      if (record !== undefined) await this.ovs.putRecord(endpointChange({ ...record, published: [] }), signal)
      const network = this.records.network(endpoint.networkId)
      const filter = network === undefined ? undefined : this.filterOf(network)
      if (filter !== undefined) await this.firewall.unpublish(filter, redirectedPorts(endpoint), signal)
    })
  }

  /** Compares addresses, forwarding and filter with the records, and puts right what differs. */
  async reconcile(attempts: Attempts, signal: AbortSignal): Promise<void> {
    const networks = this.routedNetworks()
    if (networks.length === 0 && this.sweep.isDone) return
    await this.reconcileGateways(networks, attempts, signal)
    const attempt = attempts.part
    const finish = this.sweep.look()
    await this.locks.run(lockKey.host, async () => {
      const current = this.routedNetworks()
      if (this.clock.now() - this.started >= ENGINE_START_MS) {
        await attempt('forwarding', 'host', () => this.ensureForwarding(current, signal))
      }
      const isFiltered = await attempt('packet filter', 'host', async () => {
        const filters = current.flatMap((network) => this.filterOf(network) ?? [])
        for (const difference of await this.firewall.reconcile(filters, signal)) {
          this.log.info('packet filter put right', { difference })
        }
      })
      const isRestored = await attempt('kernel settings', 'host', () => this.restoreForwarding(signal))
      if (current.length === 0 && isFiltered && isRestored) finish()
    })
    await attempt('way out', 'host', () => this.wayOut.look(this.filters(), signal))
  }

  private filters(): readonly FilteredNetwork[] {
    return this.routedNetworks().flatMap((network) => this.filterOf(network) ?? [])
  }

  private async reconcileGateways(
    networks: readonly NetworkRecord[],
    attempts: Attempts,
    signal: AbortSignal,
  ): Promise<void> {
    const gateways = networks.flatMap((network) => {
      const link = this.gatewayOf(network)
      return link === undefined ? [] : [{ network, link }]
    })
    const links = gateways.map(({ link }) => link)
    const differing = new Set(await this.host.differing(links, signal))
    for (const { network, link } of gateways) {
      if (!differing.has(link)) continue
      await attempts.network('gateway', network, async (current) => {
        const gateway = this.gatewayOf(current)
        if (gateway === undefined || !(await this.host.ensureGateway(gateway, signal))) return
        this.log.info('gateway put right', { link: gateway.name, addresses: gateway.addresses })
      })
    }
  }

  /** What {@link reconcile} would put right, one line each; changes nothing. */
  async differences(signal: AbortSignal): Promise<readonly string[]> {
    const networks = this.routedNetworks()
    const gateways = networks.flatMap((network) => this.gatewayOf(network) ?? [])
    const filters = networks.flatMap((network) => this.filterOf(network) ?? [])
    const settings = await this.host.missingForwarding(forwardedBy(networks))
    return [
      ...(await this.host.differing(gateways, signal)).map(
        ({ name, addresses, mtu }) => `link ${name} is not up with ${addresses.join(', ')} and MTU ${mtu}`,
      ),
      ...[...settings].map(([path, value]) => `kernel setting net/${path} is not ${value}`),
      ...(await this.firewall.differences(filters, signal)).map((line) => `packet filter: ${line}`),
      ...(await this.wayOut.blockades(filters, signal)).map((reason) => `packet filter: ${reason}`),
    ]
  }

  private routedNetworks(): readonly NetworkRecord[] {
    return this.records.networks().filter(isRouted)
  }

  private gatewayOf(network: NetworkRecord): ReturnType<typeof desiredGateway> {
    return desiredGateway(network, this.ovs.bridge(network.bridge)?.mtu)
  }

  private filterOf(network: NetworkRecord): FilteredNetwork | undefined {
    return desiredFilter(network, this.records.endpointsOf(network.id))
  }

  private async ensureForwarding(networks: readonly NetworkRecord[], signal: AbortSignal): Promise<void> {
    const changed = await this.host.ensureForwarding(forwardedBy(networks))
    for (const [path, before] of changed) {
      if (this.records.changedSysctls().has(path)) continue
      await this.ovs.putRecord(sysctlChange(path, before), signal)
    }
  }

  private async restoreForwarding(signal: AbortSignal): Promise<void> {
    const needed = forwardedBy(this.routedNetworks())
    const unneeded = [...this.records.changedSysctls()].filter(
      ([path]) => !needed[path.startsWith('ipv6/') ? 'ipv6' : 'ipv4'],
    )
    if (unneeded.length === 0) return
    await this.host.restore(new Map(unneeded))
    for (const [path] of unneeded) await this.ovs.putRecord(sysctlChange(path, undefined), signal)
    this.log.info('kernel settings put back', { settings: unneeded.map(([path]) => path) })
  }
}

/** The families in which the networks need forwarding; internal ones need none. */
function forwardedBy(networks: readonly NetworkRecord[]): ForwardedFamilies {
  const families = networks
    .filter(({ internal }) => !internal)
    .flatMap(({ ipv4, ipv6 }) => realPools([...ipv4, ...ipv6]))
    .map(({ pool }) => familyOf(plainAddress(pool)))
  return { ipv4: families.includes('ipv4'), ipv6: families.includes('ipv6') }
}
