/** What the switch lets a container's port send, beyond forwarding it as a switch does. */
export interface PortGuard {
  /** OpenFlow port number. */
  readonly ofport: number
  /** Absent: the container may send from any address. */
  readonly source?: SourceGuard
  /** What the container may send: kbit/s and kbit. */
  readonly meter?: { readonly rate: number; readonly burst?: number }
}

export interface SourceGuard {
  readonly macAddress: string
  /** Plain addresses. Where neither is known, every IP address from that MAC address will do. */
  readonly ipv4Address?: string
  readonly ipv6Address?: string
}

/** The driver's own rules on one bridge. */
export interface BridgeRules {
  readonly guards: readonly PortGuard[]
  /** Ports that may have their rules already, or still, and need none: no container holds their link. */
  readonly vacant: readonly PortGuard[]
  /**
   * True: the bridge forwards nothing by itself (`fail_mode=secure`), so that one rule has to say that it shall. Where the
   * bridge does not need it any more it does no harm, and stays: a bridge without any rule would forward nothing.
   */
  readonly forwards: boolean
}

/** The driver's own rules in the OpenFlow tables of bridges; those of others stay. All verbs are idempotent. */
export interface FlowTables {
  /** Makes the rules of one port exactly these. */
  guardPort(bridge: string, guard: PortGuard, signal: AbortSignal): Promise<void>
  /** Removes the rules of a port. What is gone, bridge included, is no error. */
  releasePort(bridge: string, ofport: number, signal: AbortSignal): Promise<void>
  /**
   * Makes the driver's rules on the bridge these and no others.
   *
   * @param rules asked for before the bridge is looked at and after, for containers come and go meanwhile: what is missing
   * was demanded at both times, and what is one too many was allowed at neither.
   * @returns what differed, a line each.
   */
  reconcile(bridge: string, rules: () => BridgeRules, signal: AbortSignal): Promise<readonly string[]>
  /** What {@link reconcile} would change, a line each. */
  differences(bridge: string, rules: () => BridgeRules, signal: AbortSignal): Promise<readonly string[]>
}
