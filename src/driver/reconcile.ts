import { failureOf, reasonOf } from '../errors'
import type { Logger } from '../log'
import type { Appliers } from './appliers'
import type { Attempt, AttemptOnNetwork } from './attempt'
import type { Clock } from './clock'
import { linkOwner } from './desired'
import { inParallel } from './in-parallel'
import { JoinGrace } from './join-grace'
import type { KeyedLock } from './keyed-lock'
import type { Links } from './links'
import { lockKey } from './locks'
import { shortId } from './names'
import type { PortGuards } from './port-guards'
import type { Publisher } from './publisher'
import type { EndpointRecord, NetworkRecord, Records } from './records'
import { endpointRemoval } from './records'
import type { Routing } from './routing'
import type { Difference } from './survey'
import { describeDifference, Survey } from './survey'
import type { Switch } from './switch'
import type { NetworkUnderlay } from './underlay'

/** What the database announces by itself needs no period; links, addresses and filters do. */
const PERIOD_MS = 4_000

/** One round may take this long; what it did not reach is the next round's. */
const ROUND_MS = 60_000

/** Enough for changes to share transactions of the switch, and not so many processes at once that requests starve. */
const AT_ONCE = 32

export interface ReconcilerParts extends Appliers {
  readonly ovs: Switch
  readonly records: Records
  readonly links: Links
  readonly underlay: NetworkUnderlay
  readonly guards: PortGuards
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
  private readonly joinGrace: JoinGrace
  private readonly survey: Survey
  private round: 'idle' | 'running' | 'again' = 'idle'
  private isSwept = false
  /** Why which part of the last round failed. A reason is told once: it may stay for days. */
  private failures: ReadonlyMap<string, string> = new Map()
  private failuresSoFar = new Map<string, string>()

  constructor(
    private readonly parts: ReconcilerParts,
    /** Endpoints that this process made itself, as against those it found. */
    isOwnWork: (endpointId: string) => boolean,
  ) {
    this.joinGrace = new JoinGrace(parts.clock, isOwnWork)
    this.survey = new Survey(
      parts.ovs,
      parts.records,
      parts.networks,
      parts.abandoned,
      (endpoint, isLinkHere) => this.joinGrace.isOverdue(endpoint, isLinkHere, this.trigger),
    )
  }

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

  /** One round. What fails for one network, bridge or endpoint is logged, and tried again in the next. */
  async run(): Promise<void> {
    const { ovs, records, links, abandoned, underlay, guards, routing, publisher, clock } = this.parts
    if (!ovs.available) return
    const isEmpty = records.networks().length === 0 && records.endpoints().length === 0
    const givenUp = abandoned.all()
    // Nothing is recorded, and what was left of earlier times has been swept: then the host is not even looked at.
    if (isEmpty && this.isSwept && givenUp.length === 0) return
    this.failures = this.failuresSoFar
    this.failuresSoFar = new Map()
    const signal = clock.deadline(ROUND_MS)
    await this.mendAll(this.survey.networks(), signal)
    const attempts = { part: this.attempt, network: this.attemptOnNetwork }
    await this.attempt('underlay', 'host', () => underlay.reconcile(attempts, signal))
    await this.attempt('routing', 'host', () => routing.reconcile(attempts, signal))
    const endpoints = records.endpoints()
    this.joinGrace.forgetAllBut(endpoints)
    const observed = await links.list(signal)
    await this.mendAll(this.survey.endpoints(endpoints, observed), signal)
    await guards.reconcile(this.attempt, signal)
    await this.mendAll(this.survey.strays(observed), signal)
    await this.attempt('links', 'host', () => links.sweep(signal))
    await publisher.reconcile(this.attempt)
    const isClean = this.failuresSoFar.size === 0
    if (isClean) abandoned.removeUnrecorded(givenUp)
    this.isSwept = isEmpty && isClean
  }

  /**
   * What a round would put right now, and what cannot be looked at, one line each; changes nothing. What requests are about
   * to do shows as well.
   */
  async differences(signal: AbortSignal): Promise<readonly string[]> {
    const { ovs, records, links, underlay, guards, routing } = this.parts
    await ovs.whenAvailable(signal)
    const endpoints = records.endpoints()
    const observed = await links.list(signal)
    return [
      ...this.survey.networks().map(describeDifference),
      ...(await linesOf('underlay', underlay.differences(signal))),
      ...(await linesOf('routing', routing.differences(signal))),
      ...this.survey.endpoints(endpoints, observed).map(describeDifference),
      ...(await linesOf('flows', guards.differences(signal))),
      ...this.survey.strays(observed).map(describeDifference),
    ]
  }

  private mendAll(differences: readonly Difference[], signal: AbortSignal): Promise<void> {
    return inParallel(differences, AT_ONCE, (difference) => this.mend(difference, signal))
  }

  private mend(difference: Difference, signal: AbortSignal): Promise<void> {
    switch (difference.kind) {
      case 'network':
      case 'abandoned network':
        return this.mendNetwork(difference.record, difference.details, signal)
      case 'endpoint':
      case 'endpoint without a container':
        return this.mendEndpoint(difference.record, difference.kind, difference.details, signal)
      case 'stray port':
      case 'stray link':
        return this.sweepEndpointPart(difference.kind, difference.name, difference.endpointId, signal)
      case 'stray bridge':
        return this.sweepBridge(difference.name, signal)
    }
  }

  private async mendNetwork(
    { id }: NetworkRecord,
    details: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { records, networks, abandoned, log } = this.parts
    await this.locked('network', shortId(id), lockKey.network(id), async () => {
      const record = records.network(id)
      if (record === undefined) return
      const { bridge } = record
      if (abandoned.has(id)) {
        await networks.withdraw(record, signal)
        log.info('network that Docker gave up removed', { network: shortId(id), bridge })
      } else {
        await networks.applyBridge(record, signal)
        log.info('network put right', { network: shortId(id), bridge, details })
      }
    })
  }

  private async mendEndpoint(
    { id, hostLink, containerLink }: EndpointRecord,
    kind: 'endpoint' | 'endpoint without a container',
    details: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { records, endpoints, links, log } = this.parts
    await this.locked('endpoint', shortId(id), lockKey.endpoint(id), async () => {
      const record = records.endpoint(id)
      const network = record === undefined ? undefined : records.network(record.networkId)
      if (record === undefined) return
      if (kind === 'endpoint' && network !== undefined) {
        await endpoints.apply(record, network, signal)
        log.info('endpoint put right', { ...describe(record), details })
        return
      }
      // A request may have made the link anew, or let a container join, since the list was made.
      const ends = await Promise.all([hostLink, containerLink].map((name) => links.find(name, signal)))
      const current = new Map(ends.flatMap((link) => (link === undefined ? [] : [[link.name, link]])))
      if (this.survey.endpoint(record, current)?.kind !== 'endpoint without a container') return
      await endpoints.withdraw(record, signal)
      log.info('endpoint without a container removed', { ...describe(record), details })
    })
  }

  private async sweepEndpointPart(
    kind: 'stray port' | 'stray link',
    name: string,
    endpointId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { ovs, links, records, log } = this.parts
    await this.locked(kind, name, lockKey.endpoint(endpointId), async () => {
      const isThere =
        kind === 'stray port' ? ovs.port(name) !== undefined : (await links.find(name, signal)) !== undefined
      if (!isThere || records.endpoint(endpointId) !== undefined) return
      if (kind === 'stray port') await ovs.unplugPort(name, endpointId, endpointRemoval(endpointId), signal)
      else await links.removeLink(name, linkOwner(endpointId), signal)
      log.info(`${kind} removed`, { name })
    })
  }

  private async sweepBridge(name: string, signal: AbortSignal): Promise<void> {
    await this.attempt('bridge', name, async () => {
      if (!(await this.parts.networks.removeUnusedBridge(name, signal))) return
      this.parts.log.info('stray bridge removed', { name })
    })
  }

  private locked(what: string, name: string, key: string, work: () => Promise<void>): Promise<boolean> {
    return this.attempt(what, name, () => this.parts.locks.run(key, work))
  }

  private readonly attemptOnNetwork: AttemptOnNetwork = (what, { id }, work) => {
    const { locks, records, abandoned } = this.parts
    return this.locked(what, shortId(id), lockKey.network(id), async () => {
      const record = records.network(id)
      if (record === undefined || abandoned.has(id)) return
      await locks.run(lockKey.bridge(record.bridge), () => work(record))
    })
  }

  private readonly attempt: Attempt = async (what, name, work) => {
    const failure = await failureOf(work())
    if (failure === undefined) return true
    const [key, reason] = [`${what} ${name}`, failure.message]
    this.failuresSoFar.set(key, reason)
    const level = this.failures.get(key) === reason ? 'debug' : 'warn'
    this.parts.log[level](`${what} could not be put right`, { [what]: name, reason })
    return false
  }
}

/** Whoever looks for a fault is to see the rest, too, where one part cannot be looked at. */
async function linesOf(what: string, lines: Promise<readonly string[]>): Promise<readonly string[]> {
  try {
    return await lines
  } catch (error) {
    return [`${what} cannot be looked at: ${reasonOf(error)}`]
  }
}

function describe({ id, networkId, hostLink }: EndpointRecord): Readonly<Record<string, string>> {
  return { endpoint: shortId(id), network: shortId(networkId), link: hostLink }
}
