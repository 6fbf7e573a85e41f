import { reasonOf } from '../errors'
import type { Logger } from '../log'
import type { Applier } from './apply'
import type { Clock } from './clock'
import { desiredEndpoint, endpointOfOwner, linkOwner } from './desired'
import type { KeyedLock } from './keyed-lock'
import type { Link, Links } from './links'
import { lockKey } from './locks'
import { shortId } from './names'
import type { Publisher } from './publisher'
import type { EndpointRecord } from './records'
import { allEndpoints, allNetworks, endpointRemoval, findEndpoint, findNetwork } from './records'
import type { Routing } from './routing'
import type { Switch } from './switch'

/** What the database announces by itself needs no period; links, addresses and filters do. */
const PERIOD_MS = 4_000

const TIMER_SLACK_MS = 50

/** One round may take this long; what it did not reach is the next round's. */
const ROUND_MS = 60_000

/**
 * How long an endpoint may wait for its Join. Docker sends Join right after CreateEndpoint and retries for a few
 * seconds when the driver restarts in between, so who finds an endpoint at start-up waits less than who made it.
 */
const JOIN_GRACE_MS = { inherited: 3_000, created: 60_000 } as const

export interface ReconcilerParts {
  readonly ovs: Switch
  readonly links: Links
  readonly applier: Applier
  readonly routing: Routing
  readonly publisher: Publisher
  readonly locks: KeyedLock
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Compares the host with the records and puts it right: what is missing is made, what is ours and no longer wanted is
 * removed, what is not ours stays. Each difference is looked at again under its lock, since requests go on meanwhile.
 */
export class Reconciler {
  private readonly unjoinedSince = new Map<string, number>()
  private round: 'idle' | 'running' | 'again' = 'idle'
  private isSwept = false
  private hasFailed = false

  constructor(
    private readonly parts: ReconcilerParts,
    /** Endpoints that this process made itself, as against those it found. */
    private readonly isOwnWork: (endpointId: string) => boolean,
  ) {}

  private readonly trigger = (): void => void this.runCoalesced()

  /** Begins to reconcile: whenever the switch becomes available, and periodically. Returns the function that ends it. */
  start(): () => void {
    const stopListening = this.parts.ovs.onAvailable(this.trigger)
    const stopRepeating = this.parts.clock.repeat(PERIOD_MS, this.trigger)
    return () => {
      stopListening()
      stopRepeating()
    }
  }

  /** Rounds never overlap: one that is asked for during another follows it. */
  private async runCoalesced(): Promise<void> {
    if (this.round !== 'idle') {
      this.round = 'again'
      return
    }
    do {
      this.round = 'running'
      try {
        await this.run()
      } catch (error) {
        this.parts.log.warn('reconcile round failed', { reason: reasonOf(error) })
      }
    } while (this.isAskedAgain())
    this.round = 'idle'
  }

  private isAskedAgain(): boolean {
    return this.round === 'again'
  }

  /** One round. What fails for one network or endpoint is logged, and tried again in the next. */
  async run(): Promise<void> {
    if (!this.parts.ovs.available || this.isIdle()) return
    this.hasFailed = false
    const signal = this.parts.clock.deadline(ROUND_MS)
    const links = await this.parts.links.list(signal)
    await this.mendNetworks(signal)
    await this.attempt('routing', 'host', () => this.parts.routing.reconcile(signal))
    const endpoints = allEndpoints(this.parts.ovs.records())
    await Promise.all(endpoints.map((record) => this.mendEndpoint(record, links, signal)))
    this.forgetAllBut(endpoints)
    await this.sweep(links, signal)
    await this.parts.links.sweep(signal)
    await this.parts.publisher.reconcile()
    this.isSwept = !this.hasFailed
  }

  /** Nothing is recorded, and what was left of earlier times has been swept: then the host is not even looked at. */
  private isIdle(): boolean {
    const { ovs } = this.parts
    const isEmpty = allNetworks(ovs.records()).length === 0 && allEndpoints(ovs.records()).length === 0
    if (!isEmpty) this.isSwept = false
    return isEmpty && this.isSwept
  }

  private async mendNetworks(signal: AbortSignal): Promise<void> {
    for (const { id } of allNetworks(this.parts.ovs.records())) {
      await this.locked('network', id, lockKey.network(id), async () => {
        const record = findNetwork(this.parts.ovs.records(), id)
        if (record === undefined) return
        if (this.parts.applier.isAbandoned(id)) await this.parts.applier.withdrawNetwork(record, signal)
        else await this.parts.applier.applyBridge(record, signal)
      })
    }
  }

  private async mendEndpoint(
    found: EndpointRecord,
    links: ReadonlyMap<string, Link>,
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.needsWork(found, links)) return
    await this.locked('endpoint', found.id, lockKey.endpoint(found.id), async () => {
      const record = findEndpoint(this.parts.ovs.records(), found.id)
      if (record === undefined) return
      const network = findNetwork(this.parts.ovs.records(), record.networkId)
      const current = await this.parts.links.list(signal)
      if (network === undefined || this.isAbandoned(record, current)) {
        await this.parts.applier.withdrawEndpoint(record, signal)
        this.parts.log.info('endpoint without a container removed', describe(record))
      } else if (this.needsWork(record, current)) {
        await this.parts.applier.applyEndpoint(record, network, signal)
        this.parts.log.info('endpoint put right', describe(record))
      }
    })
  }

  /** The kernel deletes a pair with the container's namespace, so an endpoint without its link has no container. */
  private isAbandoned(record: EndpointRecord, links: ReadonlyMap<string, Link>): boolean {
    return links.get(record.hostLink)?.owner !== linkOwner(record.id) || this.isOverdue(record)
  }

  private isOverdue({ id, joined }: EndpointRecord): boolean {
    if (joined) {
      this.unjoinedSince.delete(id)
      return false
    }
    const grace = this.isOwnWork(id) ? JOIN_GRACE_MS.created : JOIN_GRACE_MS.inherited
    const since = this.unjoinedSince.get(id)
    if (since !== undefined) return this.parts.clock.now() - since >= grace
    this.unjoinedSince.set(id, this.parts.clock.now())
    // A timer may fire a little before the clock has counted its time.
    this.parts.clock.after(grace + TIMER_SLACK_MS, this.trigger)
    return false
  }

  private forgetAllBut(endpoints: readonly EndpointRecord[]): void {
    const kept = new Set(endpoints.map(({ id }) => id))
    for (const id of this.unjoinedSince.keys()) if (!kept.has(id)) this.unjoinedSince.delete(id)
  }

  private needsWork(record: EndpointRecord, links: ReadonlyMap<string, Link>): boolean {
    const network = findNetwork(this.parts.ovs.records(), record.networkId)
    const bridge = network === undefined ? undefined : this.parts.ovs.bridge(network.bridge)
    if (network === undefined || bridge === undefined || this.isAbandoned(record, links)) return true
    const { veth, port } = desiredEndpoint(record, network, bridge, this.parts.ovs.userspaceSegmentation)
    const link = links.get(veth.hostLink)
    const observed = this.parts.ovs.port(port.name)
    return (
      link?.up !== true ||
      link.mtu !== veth.mtu ||
      link.bypassesHostStack !== veth.bypassHostStack ||
      observed?.bridge !== port.bridge ||
      observed.vlan !== port.vlan ||
      observed.isolated !== port.isolated ||
      observed.error !== undefined
    )
  }

  /** Removes what carries our mark and no record names. */
  private async sweep(links: ReadonlyMap<string, Link>, signal: AbortSignal): Promise<void> {
    for (const { name, endpointId } of this.parts.ovs.ownedPorts()) {
      await this.sweepEndpointPart(endpointId, 'port', name, () =>
        this.parts.ovs.unplugPort(name, endpointId, endpointRemoval(endpointId), signal),
      )
    }
    for (const { name, owner } of links.values()) {
      const endpointId = endpointOfOwner(owner)
      if (endpointId === undefined) continue
      await this.sweepEndpointPart(endpointId, 'link', name, () =>
        this.parts.links.removeLink(name, linkOwner(endpointId), signal),
      )
    }
    for (const { name, networkId } of this.parts.ovs.ownedGatewayPorts()) {
      if (findNetwork(this.parts.ovs.records(), networkId) !== undefined) continue
      await this.locked('gateway port', name, lockKey.network(networkId), async () => {
        if (findNetwork(this.parts.ovs.records(), networkId) !== undefined) return
        await this.parts.ovs.removeGatewayPort(name, networkId, undefined, signal)
        this.parts.log.info('gateway port without a network removed', { port: name })
      })
    }
    for (const { name } of this.parts.ovs.ownedBridges()) {
      await this.attempt('bridge', name, async () => {
        if (await this.parts.applier.removeUnusedBridge(name, signal)) {
          this.parts.log.info('bridge without a network removed', { bridge: name })
        }
      })
    }
  }

  private async sweepEndpointPart(
    endpointId: string,
    part: 'port' | 'link',
    name: string,
    remove: () => Promise<void>,
  ): Promise<void> {
    if (findEndpoint(this.parts.ovs.records(), endpointId) !== undefined) return
    await this.locked(part, name, lockKey.endpoint(endpointId), async () => {
      if (findEndpoint(this.parts.ovs.records(), endpointId) !== undefined) return
      await remove()
      this.parts.log.info(`${part} without an endpoint removed`, { [part]: name })
    })
  }

  private locked(what: string, id: string, key: string, work: () => Promise<void>): Promise<void> {
    return this.attempt(what, id, () => this.parts.locks.run(key, work))
  }

  private async attempt(what: string, id: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.hasFailed = true
      this.parts.log.warn(`${what} could not be put right`, { [what]: shortId(id), reason: reasonOf(error) })
    }
  }
}

function describe({ id, networkId, hostLink }: EndpointRecord): Readonly<Record<string, string>> {
  return { endpoint: shortId(id), network: shortId(networkId), link: hostLink }
}
