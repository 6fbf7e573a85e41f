import type { Logger } from '../log'
import type { Clock } from './clock'
import type { FilteredNetwork, OtherFilters } from './firewall'

/** The host's tables may be long, and what is in them changes by an administrator's hand. */
const LOOK_EVERY_MS = 12_000

/** Says in the log, once each, what keeps a network's packets on this host: nothing that the driver could put right. */
export class WayOut {
  private said: ReadonlySet<string> = new Set()
  private seen = ''
  private lookedAt = -Infinity

  constructor(
    private readonly others: OtherFilters,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Looks where networks have come or gone, or some time has passed. */
  async look(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<void> {
    const links = networks.map(({ link }) => link).join(' ')
    const now = this.clock.now()
    if (links === this.seen && now - this.lookedAt < LOOK_EVERY_MS) return
    const reasons = await this.blockades(networks, signal)
    this.seen = links
    this.lookedAt = now
    for (const reason of reasons) if (!this.said.has(reason)) this.log.warn('no way out', { reason })
    this.said = new Set(reasons)
  }

  /** What keeps the networks' packets on this host now, a sentence each. */
  async blockades(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]> {
    return (await this.others.blockades(networks, signal)).map(({ reason }) => reason.message)
  }
}
