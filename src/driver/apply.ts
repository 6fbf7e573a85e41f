import { DriverError } from '../errors'
import type { Logger } from '../log'
import type { Clock } from './clock'
import { desiredEndpoint, linkOwner } from './desired'
import type { KeyedLock } from './keyed-lock'
import type { Links } from './links'
import { lockKey } from './locks'
import { bridgeNameFrom, gatewayPortNameFrom, idPieces, linkNamesFrom, shortId } from './names'
import { bridgeSpec, refuseOverlapsWith } from './network'
import { parseNetworkOptions } from './options'
import type { EndpointRecord, NetworkRecord } from './records'
import { allNetworks, endpointChange, endpointRemoval, networkChange, networkRemoval } from './records'
import type { Publisher } from './publisher'
import type { Routing } from './routing'
import type { BridgeSpec, Switch } from './switch'

/** What may not end with the request that began it: taking back what it made. */
const UNDO_MS = 5_000

export type NetworkPlan = Omit<NetworkRecord, 'bridge' | 'foreignBridge' | 'gatewayLink'>
export type EndpointPlan = Omit<EndpointRecord, 'hostLink' | 'containerLink'>

/**
 * Makes the host look as the records say, and takes it back. The one path by which requests and reconcile change the
 * host; callers hold the lock of the network or endpoint they name.
 */
export class Applier {
  private readonly abandonedNetworks = new Set<string>()

  constructor(
    private readonly ovs: Switch,
    private readonly links: Links,
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
      const gatewayLink = chooseGatewayLink(plan, bridge, observed !== undefined, links)
      const record = {
        ...plan,
        bridge,
        foreignBridge: observed?.owned === false,
        ...(gatewayLink === undefined ? {} : { gatewayLink }),
      }
      const spec = this.bridgeSpecWith(record)
      refuseOverlapsWith(record, allNetworks(this.ovs.records()))
      try {
        await this.ovs.ensureBridge(spec, networkChange(record), signal)
        await this.routing.ensure(record, signal)
        signal.throwIfAborted()
        return record
      } catch (error) {
        this.abandonedNetworks.add(record.id)
        await this.undo('network', record.id, (bounded) => this.forgetNetwork(record, bounded))
        throw error
      }
    })
  }

  /** Idempotent: makes the bridge of a recorded network, and what routes it, be as they shall. */
  async applyNetwork(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    await this.applyBridge(record, signal)
    await this.routing.ensure(record, signal)
  }

  /** Idempotent: makes the bridge of a recorded network be as it shall. */
  applyBridge(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.bridge(record.bridge), async () => {
      if (record.foreignBridge && this.ovs.bridge(record.bridge) === undefined) {
        throw DriverError.of('BRIDGE_GONE', [record.bridge])
      }
      await this.ovs.ensureBridge(this.bridgeSpecWith(record), networkChange(record), signal)
    })
  }

  /** True for networks whose create failed and could not be taken back then: Docker knows nothing of them. */
  isAbandoned(networkId: string): boolean {
    return this.abandonedNetworks.has(networkId)
  }

  /** Forgets the network, and removes its bridge if that is ours and the network was the last on it. */
  withdrawNetwork(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.bridge(record.bridge), () => this.forgetNetwork(record, signal))
  }

  /** Removes a bridge of ours that no network names. */
  removeUnusedBridge(bridge: string, signal: AbortSignal): Promise<boolean> {
    return this.locks.run(lockKey.bridge(bridge), async () => {
      if (this.networksOn(bridge).length > 0) return false
      await this.ovs.removeBridge(bridge, undefined, signal)
      return true
    })
  }

  private async forgetNetwork(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    const removal = networkRemoval(record.id)
    const shared = this.networksOn(record.bridge).some(({ id }) => id !== record.id)
    const { gatewayLink = '' } = record
    if (shared || record.foreignBridge)
      await this.ovs.removeGatewayPort(gatewayLink, record.id, removal, signal)
    else await this.ovs.removeBridge(record.bridge, removal, signal)
    await this.routing.remove(record, signal)
    this.abandonedNetworks.delete(record.id)
  }

  private bridgeSpecWith(record: NetworkRecord): BridgeSpec {
    const sharers = this.networksOn(record.bridge).filter(({ id }) => id !== record.id)
    const observed = this.ovs.bridge(record.bridge)
    const spec = bridgeSpec(record.bridge, [...sharers, record], observed, this.ovs.defaultDatapath)
    if (record.gatewayLink === undefined) return spec
    const { vlan } = parseNetworkOptions(record.options)
    const gatewayPort = {
      name: record.gatewayLink,
      networkId: record.id,
      ...(vlan === undefined ? {} : { vlan }),
    }
    return { ...spec, gatewayPort }
  }

  /** Makes the endpoint's links and port and records it, all or nothing. */
  async createEndpoint(
    plan: EndpointPlan,
    network: NetworkRecord,
    signal: AbortSignal,
  ): Promise<EndpointRecord> {
    for (const piece of idPieces(plan.id)) {
      const record = { ...plan, ...linkNamesFrom(piece) }
      try {
        await this.applyEndpoint(record, network, signal)
        signal.throwIfAborted()
        return record
      } catch (error) {
        const taken = error instanceof DriverError && error.code === 'NAME_TAKEN'
        if (taken) continue
        await this.undo('endpoint', record.id, (bounded) => this.withdrawEndpoint(record, bounded))
        throw error
      }
    }
    throw DriverError.of('NAMES_EXHAUSTED', [linkNamesFrom('').hostLink, shortId(plan.id)])
  }

  /** Idempotent: makes the links and the port of a recorded endpoint be as they shall. */
  async applyEndpoint(record: EndpointRecord, network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const bridge = this.ovs.bridge(network.bridge)
    if (bridge === undefined) throw DriverError.of('BRIDGE_GONE', [network.bridge])
    const port = this.ovs.port(record.hostLink)
    if (port !== undefined && port.endpointId !== record.id) {
      throw DriverError.of('NAME_TAKEN', [record.hostLink])
    }
    const desired = desiredEndpoint(record, network, bridge, this.ovs.userspaceSegmentation)
    await this.links.ensureVethPair(desired.veth, signal)
    await this.ovs.plugPort(desired.port, endpointChange(record), signal)
  }

  /**
   * Removes the endpoint's port, record, links and published ports; what is gone already is no error. Each is tried
   * whatever becomes of the others.
   *
   * @throws the one failure, or an AggregateError with every one.
   */
  async withdrawEndpoint(record: EndpointRecord, signal: AbortSignal): Promise<void> {
    const outcomes = [
      await settled(this.ovs.unplugPort(record.hostLink, record.id, endpointRemoval(record.id), signal)),
      await settled(this.links.removeLink(record.hostLink, linkOwner(record.id), signal)),
      await settled(this.publisher.withdraw(record, signal)),
    ]
    const failures = outcomes.filter((failure) => failure !== undefined)
    if (failures.length > 1)
      throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
    for (const failure of failures) throw failure
  }

  private networksOn(bridge: string): readonly NetworkRecord[] {
    return allNetworks(this.ovs.records()).filter((network) => network.bridge === bridge)
  }

  /** What cannot be taken back now is left to reconcile; the user is told why the create failed, not the undo. */
  private async undo(
    what: string,
    id: string,
    withdraw: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const failure = await settled(withdraw(this.clock.deadline(UNDO_MS)))
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

async function settled(work: Promise<unknown>): Promise<Error | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
