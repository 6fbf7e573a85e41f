import { DriverError } from '../errors'
import type { Logger } from '../log'
import type { Attempt } from './attempt'
import { portOptionsOf } from './endpoint-options'
import type { BridgeRules, FlowTables, PortGuard } from './flow-tables'
import type { KeyedLock } from './keyed-lock'
import { lockKey } from './locks'
import { parseNetworkOptions } from './options'
import type { EndpointRecord, NetworkRecord, Records } from './records'
import { plainAddress } from './subnets'
import type { DatapathType, Switch } from './switch'

/** Keeps the OpenFlow rules by which containers send from their own addresses only, and no faster than they may. */
export class PortGuards {
  /** Bridges that have had rules of ours, and may have some left. */
  private readonly guarded = new Set<string>()

  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly flows: FlowTables,
    private readonly locks: KeyedLock,
    private readonly log: Logger,
  ) {}

  /** Idempotent; nothing where the endpoint needs none. Its port is there. */
  async ensure(endpoint: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const guard = this.guardOf(endpoint, network)
    if (guard === undefined) return
    this.guarded.add(network.bridge)
    await this.flows.guardPort(network.bridge, guard, signal)
  }

  /** Idempotent: the rules of a bridge that forwards nothing without them. As soon as the bridge is so. */
  async ensureBridge(bridge: string, signal: AbortSignal): Promise<void> {
    if (!this.forwards(bridge, () => true)) return
    await this.flows.reconcile(bridge, () => ({ ...this.rulesOf(bridge), forwards: true }), signal)
  }

  /** Before the port goes, whose number the next one may have. */
  async remove(endpoint: EndpointRecord, signal: AbortSignal): Promise<void> {
    const port = this.ovs.port(endpoint.hostLink)
    const network = this.records.network(endpoint.networkId)
    if (port?.ofport === undefined || !mayNeedGuard(endpoint, network)) return
    await this.flows.releasePort(port.bridge, port.ofport, signal)
  }

  async reconcile(attempt: Attempt, signal: AbortSignal): Promise<void> {
    for (const bridge of this.ruledBridges()) {
      this.guarded.add(bridge)
      await attempt('flows', bridge, () =>
        this.locks.run(lockKey.bridge(bridge), () => this.putRight(bridge, signal)),
      )
    }
  }

  private async putRight(bridge: string, signal: AbortSignal): Promise<void> {
    if (this.ovs.bridge(bridge) === undefined) return
    const details = await this.flows.reconcile(bridge, () => this.rulesOf(bridge), signal)
    if (details.length > 0) this.log.info('flows put right', { bridge, details })
  }

  /** What {@link reconcile} would put right, a line each. */
  async differences(signal: AbortSignal): Promise<readonly string[]> {
    const lines: string[] = []
    for (const bridge of this.ruledBridges()) {
      const details = await this.flows.differences(bridge, () => this.rulesOf(bridge), signal)
      lines.push(...details.map((line) => `bridge ${bridge}: ${line}`))
    }
    return lines
  }

  /** Also those that need no rules any more and have had some. */
  private ruledBridges(): ReadonlySet<string> {
    for (const name of this.guarded) if (this.ovs.bridge(name) === undefined) this.guarded.delete(name)
    const bridges = new Set(this.records.networks().map(({ bridge }) => bridge))
    return new Set([...this.guarded, ...[...bridges].filter((bridge) => needsRules(this.rulesOf(bridge)))])
  }

  private rulesOf(bridge: string): BridgeRules {
    const guarded = this.records.networksOn(bridge).flatMap((network) =>
      this.records
        .endpointsOf(network.id)
        .filter((endpoint) => mayNeedGuard(endpoint, network))
        .flatMap((endpoint) => {
          const guard = this.guardOf(endpoint, network)
          return guard === undefined ? [] : [{ guard, joined: endpoint.joined }]
        }),
    )
    return {
      guards: guarded.filter(({ joined }) => joined).map(({ guard }) => guard),
      vacant: guarded.filter(({ joined }) => !joined).map(({ guard }) => guard),
      forwards: this.forwards(bridge, ({ joined }) => joined),
    }
  }

  /** Whether one of our rules has to say so, for the networks' sake or that of the containers that count. */
  private forwards(bridge: string, counts: (endpoint: EndpointRecord) => boolean): boolean {
    if (this.ovs.bridge(bridge)?.owned !== true) return false
    return this.records
      .networksOn(bridge)
      .some((network) => isSecured(network, this.records.endpointsOf(network.id).filter(counts)))
  }

  private guardOf(endpoint: EndpointRecord, network: NetworkRecord): PortGuard | undefined {
    const bridge = this.ovs.bridge(network.bridge)
    const ofport = this.ovs.port(endpoint.hostLink)?.ofport
    if (bridge === undefined || ofport === undefined) return undefined
    const { security, ingressRate, ingressBurst } = portOptionsOf(endpoint, network)
    const meters = bridge.datapath === 'netdev' && ingressRate !== undefined
    if (security !== true && !meters) return undefined
    const { macAddress, ipv4Address, ipv6Address } = endpoint
    const source = {
      macAddress,
      ...(ipv4Address === undefined ? {} : { ipv4Address: plainAddress(ipv4Address) }),
      ...(ipv6Address === undefined ? {} : { ipv6Address: plainAddress(ipv6Address) }),
    }
    const meter = { rate: ingressRate ?? 0, ...(ingressBurst === undefined ? {} : { burst: ingressBurst }) }
    return { ofport, ...(security === true ? { source } : {}), ...(meters ? { meter } : {}) }
  }
}

function needsRules({ guards, forwards }: BridgeRules): boolean {
  return forwards || guards.length > 0
}

const GUARD_OPTIONS = ['ovs.port.security', 'ovs.port.ingress_rate']

/** Cheap: asked for every endpoint in each round. */
function mayNeedGuard(endpoint: EndpointRecord, network: NetworkRecord | undefined): boolean {
  return GUARD_OPTIONS.some(
    (key) => endpoint.options[key] !== undefined || network?.options[key] !== undefined,
  )
}

/** Whether a network's bridge shall forward nothing while the driver's rules are not there yet. */
export function isSecured(network: NetworkRecord, endpoints: readonly EndpointRecord[]): boolean {
  return (
    parseNetworkOptions(network.options).security === true ||
    endpoints.some(
      (endpoint) =>
        endpoint.networkId === network.id &&
        endpoint.options['ovs.port.security'] !== undefined &&
        portOptionsOf(endpoint, network).security === true,
    )
  )
}

/**
 * Refuses rules of ours where somebody else decides what the switch forwards.
 *
 * @throws DriverError `OPTION_EXCLUDES`
 */
export function refuseUnguardable(
  endpoint: Pick<EndpointRecord, 'options'>,
  network: NetworkRecord,
  datapath: DatapathType,
): void {
  const { controllers, failMode } = parseNetworkOptions(network.options)
  if (controllers === undefined && failMode !== 'secure') return
  const { security, ingressRate } = portOptionsOf(endpoint, network)
  const because = 'there the controller decides on every flow'
  const other = 'ovs.bridge.controller or ovs.bridge.fail_mode=secure'
  if (security === true) throw DriverError.of('OPTION_EXCLUDES', ['ovs.port.security', other, because])
  if (ingressRate !== undefined && datapath === 'netdev') {
    const reason = `${because}, and the userspace datapath's rates are flows`
    throw DriverError.of('OPTION_EXCLUDES', ['ovs.port.ingress_rate', other, reason])
  }
}
