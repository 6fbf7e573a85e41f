import type { Clock } from './clock'
import type { EndpointRecord } from './records'

const TIMER_SLACK_MS = 50

/**
 * How long an endpoint may wait for its container. Docker sends Join right after CreateEndpoint and, when the driver
 * restarts in between, again after 1 s and after 3 s, so who finds an endpoint without one at start-up waits less than
 * who made it. After Join Docker moves the link as soon as the container's first process is there.
 */
const GRACE_MS = { unjoinedInherited: 3_000, other: 60_000 } as const

/** Tells the endpoints that no container took in time, and those whose container let go of the link. */
export class JoinGrace {
  private readonly waitingSince = new Map<string, number>()

  constructor(
    private readonly clock: Clock,
    /** Endpoints that this process made itself, as against those it found. */
    private readonly isOwnWork: (endpointId: string) => boolean,
  ) {}

  /**
   * The first look at an endpoint without a container starts its time.
   *
   * @param isLinkHere the container's end of the link is in this network namespace.
   * @param onExpiry called once that time is over.
   */
  isOverdue({ id, joined }: EndpointRecord, isLinkHere: boolean, onExpiry: () => void): boolean {
    if (joined && !isLinkHere) {
      this.waitingSince.delete(id)
      return false
    }
    const grace = joined || this.isOwnWork(id) ? GRACE_MS.other : GRACE_MS.unjoinedInherited
    const since = this.waitingSince.get(id)
    if (since !== undefined) return this.clock.now() - since >= grace
    this.waitingSince.set(id, this.clock.now())
    // A timer may fire a little before the clock has counted its time.
    this.clock.after(grace + TIMER_SLACK_MS, onExpiry)
    return false
  }

  forgetAllBut(endpoints: readonly EndpointRecord[]): void {
    const kept = new Set(endpoints.map(({ id }) => id))
    for (const id of this.waitingSince.keys()) if (!kept.has(id)) this.waitingSince.delete(id)
  }
}
