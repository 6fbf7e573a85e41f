import { DriverError, failureOf, throwFailures } from '../errors'
import type { Abandoned } from './abandoned'
import { bridgeSpec } from './bridge'
import { speakingOfBridge } from './endpoint-options'
import type { KeyedLock } from './keyed-lock'
import type { Links } from './links'
import { lockKey } from './locks'
import { bridgeNameFrom, gatewayPortNameFrom, idPieces, shortId } from './names'
import { refuseOverlapsWith } from './network'
import { parseNetworkOptions } from './options'
import type { PortGuards } from './port-guards'
import { refuseUnguardable } from './port-guards'
import type { EndpointRecord, NetworkRecord, Records } from './records'
import { networkChange, networkRemoval } from './records'
import type { Routing } from './routing'
import type { BridgeSpec, Switch } from './switch'
import type { NetworkUnderlay } from './underlay'
import type { Undo } from './undo'

export type NetworkPlan = Omit<NetworkRecord, 'bridge' | 'foreignBridge' | 'gatewayLink' | 'tunnelMtu'>

/**
 * Makes the host look as the records of networks say, and takes it back. The one path by which requests and reconcile
 * change it; callers hold the lock of the network they name.
 */
export class NetworkApplier {
  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly links: Links,
    private readonly underlay: NetworkUnderlay,
    private readonly guards: PortGuards,
    private readonly routing: Routing,
    private readonly locks: KeyedLock,
    private readonly abandoned: Abandoned,
    private readonly undo: Undo,
  ) {}

  /** Chooses the bridge, makes it and records the network, all or nothing. */
  async create(plan: NetworkPlan, signal: AbortSignal): Promise<NetworkRecord> {
    await this.routing.refuseWithoutIPv6(plan)
    const { bridgeName } = parseNetworkOptions(plan.options)
    if (bridgeName !== undefined) return this.createOn(bridgeName, plan, signal)
    for (const piece of idPieces(plan.id)) {
      const bridge = bridgeNameFrom(piece)
      if (this.ovs.bridge(bridge) !== undefined) continue
      try {
        return await this.createOn(bridge, plan, signal)
      } catch (error) {
        if (!(error instanceof DriverError && error.code === 'BRIDGE_NAME_TAKEN')) throw error
      }
    }
    throw DriverError.of('NAMES_EXHAUSTED', [bridgeNameFrom(''), shortId(plan.id)])
  }

  private createOn(bridge: string, plan: NetworkPlan, signal: AbortSignal): Promise<NetworkRecord> {
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
      refuseOverlapsWith(record, this.records.networks())
      return this.underlay.claim(record, () => this.make(record, signal))
    })
  }

  private async make(record: NetworkRecord, signal: AbortSignal): Promise<NetworkRecord> {
    const { datapath } = this.bridgeSpecOf(record)
    try {
      refuseUnguardable({ options: {} }, record, datapath)
      await this.ensureBridge(record, signal)
      await this.underlay.ensureMove(record, signal)
      await this.routing.ensure(record, signal)
      signal.throwIfAborted()
      return record
    } catch (error) {
      this.abandoned.add(record.id)
      await this.undo('network', record.id, (bounded) => this.forget(record, bounded))
      throw error
    }
  }

  /** Idempotent: makes the bridge of a recorded network, and what routes it, be as they shall. */
  apply(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.bridge(record.bridge), async () => {
      await this.ensureBridge(record, signal)
      await this.underlay.ensureMove(record, signal)
      await this.routing.ensure(record, signal)
    })
  }

  /** As {@link apply}, where the tunnels' peers have changed; `options` as they would name them. */
  async applyPeers(
    record: NetworkRecord,
    options: NetworkRecord['options'],
    signal: AbortSignal,
  ): Promise<void> {
    await this.underlay.checkPeers({ options }, signal)
    await this.apply(record, signal)
  }

  /** Idempotent: makes the bridge of a recorded network be as it shall. */
  applyBridge(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.bridge(record.bridge), () => this.ensureBridge(record, signal))
  }

  private async ensureBridge(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    if (record.foreignBridge && this.ovs.bridge(record.bridge) === undefined) {
      throw DriverError.of('BRIDGE_GONE', [record.bridge])
    }
    const specOf = (): BridgeSpec => this.bridgeSpecOf(record)
    const ensure = (): Promise<void> =>
      this.ovs.ensureBridge(specOf, record.id, networkChange(record), signal)
    const unready = await failureOf(this.underlay.ensureLinks(record, specOf().datapath, signal))
    if (unready !== undefined) {
      // The port may be held by what the bridge is about to lose, such as tunnels as an earlier release made them.
      const isTaken = unready instanceof DriverError && unready.code === 'TUNNEL_PORT_TAKEN'
      if (isTaken && this.records.network(record.id) !== undefined) await failureOf(ensure())
      throw unready
    }
    await ensure()
    if (specOf().settings.failMode === 'secure') await this.guards.ensureBridge(record.bridge, signal)
  }

  /**
   * Forgets the network, and removes its bridge if that is ours and the network was the last on it. Once it is forgotten,
   * what else there is of it is tried whatever becomes of the rest; a round of reconcile finds what is left.
   */
  withdraw(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.bridge(record.bridge), () =>
      this.underlay.claim(record, () => this.forget(record, signal)),
    )
  }

  /** Removes a bridge of ours that no network names. @returns whether there was one. */
  removeUnusedBridge(bridge: string, signal: AbortSignal): Promise<boolean> {
    return this.locks.run(lockKey.bridge(bridge), async () => {
      if (this.records.networksOn(bridge).length > 0 || this.ovs.bridge(bridge) === undefined) return false
      await this.ovs.removeBridge(bridge, undefined, signal)
      if (this.ovs.bridge(bridge) === undefined) await this.links.removeUnheldDevice(bridge, signal)
      return true
    })
  }

  private async forget(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    const removal = networkRemoval(record.id)
    const sharers = this.sharersOf(record)
    const isLast = sharers.length === 0
    const { gatewayLink } = record
    if (isLast) await this.ovs.removeBridge(record.bridge, removal, signal)
    else if (this.ovs.bridge(record.bridge) === undefined) await this.ovs.putRecord(removal, signal)
    else await this.leaveBridge(record, signal)
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
    this.abandoned.remove(record.id)
  }

  /** An ovs-vswitchd that was dead meanwhile knows nothing of them any more. */
  private async removeDevices(names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of new Set(names)) {
      const isKnown = this.ovs.bridge(name) !== undefined || this.ovs.port(name) !== undefined
      if (!isKnown) await this.links.removeUnheldDevice(name, signal)
    }
  }

  /** What is wrong with a bridge that others keep fails them, and not this network's end. */
  private async leaveBridge(record: NetworkRecord, signal: AbortSignal): Promise<void> {
    const { id, bridge } = record
    const specOf = (): BridgeSpec =>
      this.bridgeSpecFor(bridge, this.sharersOf(record), speakingOfBridge(this.records.endpoints()))
    try {
      await this.ovs.ensureBridge(specOf, id, networkRemoval(id), signal)
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
    return this.bridgeSpecFor(record.bridge, [...this.sharersOf(record), record], speaking)
  }

  /** The other networks on its bridge. */
  private sharersOf({ id, bridge }: NetworkRecord): readonly NetworkRecord[] {
    return this.records.networksOn(bridge).filter((other) => other.id !== id)
  }

  private bridgeSpecFor(
    bridge: string,
    networks: readonly NetworkRecord[],
    speaking: readonly EndpointRecord[],
  ): BridgeSpec {
    return bridgeSpec(bridge, networks, speaking, this.ovs.bridge(bridge), this.ovs.defaultDatapath)
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
