/** A link in the driver's (that is, Docker's) network namespace. */
export interface Link {
  readonly name: string
  readonly mtu: number
  readonly macAddress: string
  readonly up: boolean
  /** The kernel's `ifalias`: the driver's owner mark, absent on links that are not ours. */
  readonly owner?: string
  /** The host's own stack sees nothing of what arrives on it; see {@link VethPair.bypassHostStack}. */
  readonly bypassesHostStack: boolean
}

/**
 * What a container's veth pair shall be. The container's end waits in Docker's namespace until Docker moves it; from
 * then on only the host's end can be seen and put right.
 */
export interface VethPair {
  readonly hostLink: string
  readonly containerLink: string
  /** Both ends. */
  readonly mtu: number
  /** Of the container's end. */
  readonly macAddress: string
  /** Written to both ends; a link of that name with another owner is never touched. */
  readonly owner: string
  /**
   * False: the container's end computes transmit checksums itself. A userspace datapath without segmentation offload
   * forwards frames as they are, and TCP would drop them for a checksum that nobody completed.
   */
  readonly transmitOffload: boolean
  /**
   * True: the host's own stack sees nothing of what arrives on the host's end. With a userspace datapath the kernel
   * keeps delivering frames to itself besides the switch, and a container would reach the host past the switch.
   */
  readonly bypassHostStack: boolean
}

/** Of one link, seen from the switch. */
export interface RateLimits {
  readonly ingress: boolean
  readonly egress: boolean
}

/** The kernel's links. All verbs are idempotent. */
export interface Links {
  list(signal: AbortSignal): Promise<ReadonlyMap<string, Link>>
  /** One of them; `undefined` where there is none of that name. */
  find(name: string, signal: AbortSignal): Promise<Link | undefined>
  /** Atomic: what fails on the way leaves no link of the pair behind, if this call made it. */
  ensureVethPair(pair: VethPair, signal: AbortSignal): Promise<void>
  /** Succeeds where the link is gone; deleting either end deletes both. Refuses a link of another owner. */
  removeLink(name: string, owner: string, signal: AbortSignal): Promise<void>
  /** What the kernel really limits on a link: Open vSwitch reports no error where the kernel cannot. */
  rateLimits(name: string, signal: AbortSignal): Promise<RateLimits>
  /**
   * Removes the device of a bridge or gateway port that an ovs-vswitchd left when it died, and that its switch does not
   * know any more. One that a process holds stays, and what is gone is no error.
   */
  removeUnheldDevice(name: string, signal: AbortSignal): Promise<void>
  /** Removes what the driver keeps outside of links for links that are gone. */
  sweep(signal: AbortSignal): Promise<void>
}
