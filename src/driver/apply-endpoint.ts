import { DriverError, failureOf, throwFailures } from '../errors'
import type { Abandoned } from './abandoned'
import type { NetworkApplier } from './apply-network'
import type { DesiredEndpoint } from './desired'
import { desiredEndpoint, linkOwner } from './desired'
import { speaksOfBridge } from './endpoint-options'
import type { Links } from './links'
import { idPieces, linkNamesFrom, shortId } from './names'
import type { PortGuards } from './port-guards'
import { refuseUnguardable } from './port-guards'
import type { Publisher } from './publisher'
import type { EndpointRecord, NetworkRecord } from './records'
import { endpointChange, endpointRemoval } from './records'
import type { PortSpec, Switch } from './switch'
import type { Undo } from './undo'

export type EndpointPlan = Omit<EndpointRecord, 'hostLink' | 'containerLink'>

/** As {@link NetworkApplier}, for endpoints. */
export class EndpointApplier {
  constructor(
    private readonly ovs: Switch,
    private readonly links: Links,
    private readonly networks: NetworkApplier,
    private readonly guards: PortGuards,
    private readonly publisher: Publisher,
    private readonly abandoned: Abandoned,
    private readonly undo: Undo,
  ) {}

  /**
   * Makes the endpoint's links and port and records it, all or nothing. What the switch does with them goes on
   * meanwhile: {@link settle} waits for it.
   */
  async create(plan: EndpointPlan, network: NetworkRecord, signal: AbortSignal): Promise<EndpointRecord> {
    for (const piece of idPieces(plan.id)) {
      const record = { ...plan, ...linkNamesFrom(piece) }
      try {
        await this.plug(record, network, signal)
        signal.throwIfAborted()
        return record
      } catch (error) {
        const taken = error instanceof DriverError && error.code === 'NAME_TAKEN'
        if (taken) continue
        this.abandoned.add(record.id)
        await this.undo('endpoint', record.id, (bounded) => this.withdraw(record, bounded))
        throw error
      }
    }
    throw DriverError.of('NAMES_EXHAUSTED', [linkNamesFrom('').hostLink, shortId(plan.id)])
  }

  /** Idempotent: makes the links and the port of a recorded endpoint be as they shall, and in force. */
  async apply(record: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    await this.plug(record, network, signal)
    await this.settle(record, network, signal)
  }

  private async plug(record: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const { veth, port } = this.desired(record, network)
    const existing = this.ovs.port(port.name)
    if (existing !== undefined && existing.endpointId !== record.id) {
      throw DriverError.of('NAME_TAKEN', [port.name])
    }
    await this.links.ensureVethPair(veth, signal)
    await this.ovs.plugPort(port, endpointChange(record), signal)
  }

  /** Idempotent: waits for the switch to open the endpoint's port, and puts in force what needs an open one. */
  async settle(record: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const { port } = this.desired(record, network)
    await this.ovs.openedPort(port.name, signal)
    await this.checkRates(port, signal)
    if (speaksOfBridge(record)) await this.networks.applyBridge(network, signal)
    await this.guards.ensure(record, network, signal)
  }

  private desired(record: EndpointRecord, network: NetworkRecord): DesiredEndpoint {
    const bridge = this.ovs.bridge(network.bridge)
    if (bridge === undefined) throw DriverError.of('BRIDGE_GONE', [network.bridge])
    refuseUnguardable(record, network, bridge.datapath)
    return desiredEndpoint(record, network, bridge, this.ovs.userspaceSegmentation)
  }

  private async checkRates({ name, policing, egressRate }: PortSpec, signal: AbortSignal): Promise<void> {
    if (policing === undefined && egressRate === undefined) return
    const limits = await this.links.rateLimits(name, signal)
    if (policing !== undefined && !limits.ingress) throw DriverError.of('RATE_FAILED', [name, 'policing'])
    if (egressRate !== undefined && !limits.egress) throw DriverError.of('RATE_FAILED', [name, 'shaping'])
  }

  /**
   * Removes the endpoint's port, record, links and published ports; what is gone already is no error. Each is tried
   * whatever becomes of the others.
   *
   * @throws the one failure, or an AggregateError with every one.
   */
  async withdraw(record: EndpointRecord, signal: AbortSignal): Promise<void> {
    const outcomes = [
      await failureOf(this.guards.remove(record, signal)),
      await failureOf(this.ovs.unplugPort(record.hostLink, record.id, endpointRemoval(record.id), signal)),
      await failureOf(this.links.removeLink(record.hostLink, linkOwner(record.id), signal)),
      await failureOf(this.publisher.withdraw(record, signal)),
    ]
    throwFailures(outcomes)
    this.abandoned.remove(record.id)
  }
}
