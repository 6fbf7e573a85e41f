import { DriverError, failureOf, throwFailures } from '../errors'
import type { Logger } from '../log'
import type { Clock } from './clock'
import type { DesiredEndpoint } from './desired'
import { desiredEndpoint, linkOwner } from './desired'
import { isMirrorOutput, speakingOfBridge } from './endpoint-options'
import type { KeyedLock } from './keyed-lock'
import type { Links } from './links'
import { lockKey } from './locks'
import { bridgeNameFrom, gatewayPortNameFrom, idPieces, linkNamesFrom, shortId } from './names'
import { bridgeSpec } from './bridge'
import { refuseOverlapsWith } from './network'
import { parseNetworkOptions } from './options'
import type { PortGuards } from './port-guards'
import { refuseUnguardable } from './port-guards'
import type { EndpointRecord, NetworkRecord, Records } from './records'
import { endpointChange, endpointRemoval, networkChange, networkRemoval } from './records'
import type { Publisher } from './publisher'
import type { Routing } from './routing'
import type { BridgeSpec, PortSpec, Switch } from './switch'
import type { NetworkUnderlay } from './underlay'

/** What may not end with the request that began it: taking back what it made. */
const UNDO_MS = 5_000

export type NetworkPlan = Omit<NetworkRecord, 'bridge' | 'foreignBridge' | 'gatewayLink' | 'tunnelMtu'>
export type EndpointPlan = Omit<EndpointRecord, 'hostLink' | 'containerLink'>

/**
 * Makes the host look as the records say, and takes it back. The one path by which requests and reconcile change the
 * host; callers hold the lock of the network or endpoint they name.
 */
export class Applier {
  private readonly abandoned = new Set<string>()

  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly links: Links,
    private readonly underlay: NetworkUnderlay,
    private readonly guards: PortGuards,
    private readonly routing: Routing,
    private readonly publisher: Publisher,
    private readonly locks: KeyedLock,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Chooses the bridge, makes it and records the network, all or nothing. */
  async createNetwork(plan: NetworkPlan, signal: AbortSignal): Promise<NetworkRecord> {
    const { bridgeName } = parseNetworkOptions(plan.options)
    if (bridgeName !== undefined) return this.createNetworkOn(bridgeName, plan, signal)
    for (const piece of idPieces(plan.id)) {
      const bridge = bridgeNameFrom(piece)
      if (this.ovs.bridge(bridge) !== undefined) continue
      try {
        return await this.createNetworkOn(bridge, plan, signal)
      } catch (error) {
        if (!(error instanceof DriverError && error.code === 'BRIDGE_NAME_TAKEN')) throw error
      }
    }
    throw DriverError.of('NAMES_EXHAUSTED', [bridgeNameFrom(''), shortId(plan.id)])
  }

  private createNetworkOn(bridge: string, plan: NetworkPlan, signal: AbortSignal): Promise<NetworkRecord> {
    return this.locks.run(lockKey.bridge(bridge), async () => {
      const observed = this.ovs.bridge(bridge)
      const links = await this.links.list(signal)
      if (observed === undefined && links.has(bridge)) throw DriverError.of('BRIDGE_NAME_TAKEN', [bridge])
      const tunnelMtu = await this.underlay.check(plan, signal)
      const gatewayLink = chooseGatewayLink(plan, bridge, observed !== undefined, links)
      const record = {
        ...plan,
        bridge,
        foreignBridge: observed?.owned === false,
        ...(gatewayLink === undefined ? {} : { gatewayLink }),
        ...(tunnelMtu === undefined ? {} : { tunnelMtu }),
      }
      const spec = this.bridgeSpecOf(record)
      refuseOverlapsWith(record, this.records.networks())
      try {
        refuseUnguardable({ options: {} }, record, spec.datapath)
        await this.underlay.ensureLinks(record, spec.datapath, signal)
        await this.ovs.ensureBridge(spec, record.id, networkChange(record), signal)
        if (spec.settings.failMode === 'secure') await this.guards.ensureBridge(bridge, signal)
        await this.underlay.ensureMove(record, signal)
        await this.routing.ensure(record, signal)
        signal.throwIfAborted()
        return record
      } catch (error) {
        this.abandon(record.id)
        await this.undo('network', record.id, (bounded) => this.forgetNetwork(record, bounded))
        throw error
      }
    })
  }

  /** Idempotent: makes the bridge of a recorded network, and what routes it, be as they shall. */
  async applyNetwork(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    await this.applyBridge(record, signal)
    await this.underlay.ensureMove(record, signal)
    await this.routing.ensure(record, signal)
  }

  /** As {@link applyNetwork}, where the tunnels' peers have changed; `options` as they would name them. */
  async applyPeers(
    record: NetworkRecord,
    options: NetworkRecord['options'],
    signal: AbortSignal,
  ): Promise<void> {
    await this.underlay.checkPeers({ options }, signal)
    await this.applyNetwork(record, signal)
  }

  /** Idempotent: makes the bridge of a recorded network be as it shall. */
  applyBridge(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.bridge(record.bridge), async () => {
      if (record.foreignBridge && this.ovs.bridge(record.bridge) === undefined) {
        throw DriverError.of('BRIDGE_GONE', [record.bridge])
      }
      const spec = this.bridgeSpecOf(record)
      await this.underlay.ensureLinks(record, spec.datapath, signal)
      await this.ovs.ensureBridge(spec, record.id, networkChange(record), signal)
      if (spec.settings.failMode === 'secure') await this.guards.ensureBridge(record.bridge, signal)
    })
  }

  /**
   * Notes that Docker knows a network or an endpoint no longer, though it may be recorded still: a failed create, or a
   * failed delete, which Docker logs and does not repeat. Reconcile takes back what is left.
   */
  abandon(id: string): void {
    this.abandoned.add(id)
  }

  /** Whether something that Docker gave up may still be there, recorded or not. */
  get hasAbandoned(): boolean {
    return this.abandoned.size > 0
  }

  /** For when the host has been looked at, and nothing is left of what no record names. */
  forgetUnrecorded(): void {
    for (const id of this.abandoned) {
      if (this.records.network(id) === undefined && this.records.endpoint(id) === undefined)
        this.abandoned.delete(id)
    }
  }

  isAbandoned(id: string): boolean {
    return this.abandoned.has(id)
  }

  /** Docker asks for it again. */
  reclaim(id: string): void {
    this.abandoned.delete(id)
  }

  /**
   * Forgets the network, and removes its bridge if that is ours and the network was the last on it. Once it is forgotten,
   * what else there is of it is tried whatever becomes of the rest; a round of reconcile finds what is left.
   */
  withdrawNetwork(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.bridge(record.bridge), () => this.forgetNetwork(record, signal))
  }

  /** Removes a bridge of ours that no network names. */
  removeUnusedBridge(bridge: string, signal: AbortSignal): Promise<boolean> {
    return this.locks.run(lockKey.bridge(bridge), async () => {
      if (this.records.networksOn(bridge).length > 0) return false
      await this.ovs.removeBridge(bridge, undefined, signal)
      if (this.ovs.bridge(bridge) === undefined) await this.links.removeUnheldTap(bridge, signal)
      return true
    })
  }

  private async forgetNetwork(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    const removal = networkRemoval(record.id)
    const sharers = this.records.networksOn(record.bridge).filter(({ id }) => id !== record.id)
    const isLast = sharers.length === 0
    const { gatewayLink } = record
    if (isLast) await this.ovs.removeBridge(record.bridge, removal, signal)
    else if (this.ovs.bridge(record.bridge) === undefined) await this.ovs.putRecord(removal, signal)
    else await this.leaveBridge(record, sharers, signal)
    const ownsBridge = isLast && !record.foreignBridge
    const devices = [
      ...(ownsBridge ? [record.bridge] : []),
      ...(gatewayLink === undefined ? [] : [gatewayLink]),
    ]
    throwFailures([
      await failureOf(this.removeDevices(devices, signal)),
      await failureOf(this.underlay.remove(record, signal)),
      await failureOf(this.routing.remove(record, signal)),
    ])
    this.reclaim(record.id)
  }

  /** An ovs-vswitchd that was dead meanwhile knows nothing of them any more. */
  private async removeDevices(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of new Set(names)) {
      if (this.ovs.bridge(name) === undefined) await this.links.removeUnheldTap(name, signal)
    }
  }

  /** What is wrong with a bridge that others keep fails them, and not this network's end. */
  private async leaveBridge(
    { id, bridge }: NetworkRecord,
    sharers: readonly NetworkRecord[],
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const spec = this.bridgeSpecFor(bridge, sharers, speakingOfBridge(this.records.endpoints()))
      await this.ovs.ensureBridge(spec, id, networkRemoval(id), signal)
    } catch (error) {
      if (this.records.network(id) !== undefined) throw error
    }
  }

  /**
   * What the network's bridge shall be, for all the networks on it.
   *
   * @param speaking as {@link speakingOfBridge} gives them: who asks for many networks gives them once.
   */
  bridgeSpecOf(record: NetworkRecord, speaking = speakingOfBridge(this.records.endpoints())): BridgeSpec {
    const sharers = this.records.networksOn(record.bridge).filter(({ id }) => id !== record.id)
    return this.bridgeSpecFor(record.bridge, [...sharers, record], speaking)
  }

  private bridgeSpecFor(
    bridge: string,
    networks: readonly NetworkRecord[],
    speaking: readonly EndpointRecord[],
  ): BridgeSpec {
    return bridgeSpec(bridge, networks, speaking, this.ovs.bridge(bridge), this.ovs.defaultDatapath)
  }

  /**
   * Makes the endpoint's links and port and records it, all or nothing. What the switch does with them goes on
   * meanwhile: {@link settleEndpoint} waits for it.
   */
  async createEndpoint(
    plan: EndpointPlan,
    network: NetworkRecord,
    signal: AbortSignal,
  ): Promise<EndpointRecord> {
    for (const piece of idPieces(plan.id)) {
      const record = { ...plan, ...linkNamesFrom(piece) }
      try {
        await this.plugEndpoint(record, network, signal)
        signal.throwIfAborted()
        return record
      } catch (error) {
        const taken = error instanceof DriverError && error.code === 'NAME_TAKEN'
        if (taken) continue
        this.abandon(record.id)
        await this.undo('endpoint', record.id, (bounded) => this.withdrawEndpoint(record, bounded))
        throw error
      }
    }
    throw DriverError.of('NAMES_EXHAUSTED', [linkNamesFrom('').hostLink, shortId(plan.id)])
  }

  /** Idempotent: makes the links and the port of a recorded endpoint be as they shall, and in force. */
  async applyEndpoint(record: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    await this.plugEndpoint(record, network, signal)
    await this.settleEndpoint(record, network, signal)
  }

  private async plugEndpoint(
    record: EndpointRecord,
    network: NetworkRecord,
    signal: AbortSignal,
  ): Promise<void> {
    const { veth, port } = this.desired(record, network)
    const existing = this.ovs.port(port.name)
    if (existing !== undefined && existing.endpointId !== record.id) {
      throw DriverError.of('NAME_TAKEN', [port.name])
    }
    await this.links.ensureVethPair(veth, signal)
    await this.ovs.plugPort(port, endpointChange(record), signal)
  }

  /** Idempotent: waits for the switch to open the endpoint's port, and puts in force what needs an open one. */
  async settleEndpoint(record: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const { port } = this.desired(record, network)
    await this.ovs.openedPort(port.name, signal)
    await this.checkRates(port, signal)
    // Either changes what the bridge shall be.
    if (isMirrorOutput(record) || record.options['ovs.port.security'] !== undefined) {
      await this.applyBridge(network, signal)
    }
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
  async withdrawEndpoint(record: EndpointRecord, signal: AbortSignal): Promise<void> {
    const outcomes = [
      await failureOf(this.guards.remove(record, signal)),
      await failureOf(this.ovs.unplugPort(record.hostLink, record.id, endpointRemoval(record.id), signal)),
      await failureOf(this.links.removeLink(record.hostLink, linkOwner(record.id), signal)),
      await failureOf(this.publisher.withdraw(record, signal)),
    ]
    const network = isMirrorOutput(record) ? this.records.network(record.networkId) : undefined
    if (network !== undefined) outcomes.push(await failureOf(this.applyBridge(network, signal)))
    throwFailures(outcomes)
    this.reclaim(record.id)
  }

  /** What cannot be taken back now is left to reconcile; the user is told why the create failed, not the undo. */
  private async undo(
    what: string,
    id: string,
    withdraw: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const failure = await failureOf(withdraw(this.clock.deadline(UNDO_MS)))
    if (failure !== undefined) this.log.warn('undo failed', { [what]: shortId(id), reason: failure.message })
  }
}

/**
 * The link that shall hold a network's gateway addresses: the bridge's local port where the bridge is the network's own,
 * else an internal port of the network's own, for a shared or foreign bridge's local port is not ours to give addresses.
 */
function chooseGatewayLink(
  { id, options }: NetworkPlan,
  bridge: string,
  isThere: boolean,
  links: ReadonlyMap<string, unknown>,
): string | undefined {
  if (parseNetworkOptions(options).mode === 'flat') return undefined
  if (!isThere) return bridge
  for (const piece of idPieces(id)) {
    const name = gatewayPortNameFrom(piece)
    if (!links.has(name)) return name
  }
  throw DriverError.of('NAMES_EXHAUSTED', [gatewayPortNameFrom(''), shortId(id)])
}
