/** What the host's own network stack shall be for the gateway of a nat or routed network. */
export interface GatewayLink {
  readonly name: string
  /** CIDR form, IPv4 and IPv6; the only ones of global scope that the link shall have. */
  readonly addresses: readonly string[]
  /** Bytes. */
  readonly mtu: number
}

/** Kernel settings of the host, by their path under /proc/sys/net with slashes: `ipv4/ip_forward`. */
export type SysctlValues = ReadonlyMap<string, string>

/** The families that this host shall forward. */
export interface ForwardedFamilies {
  readonly ipv4: boolean
  readonly ipv6: boolean
}

/** The host's own stack: addresses of gateway links, and forwarding. All verbs are idempotent. */
export interface HostNetwork {
  /** Whether the kernel has IPv6 at all; links may still have it turned off. */
  hasIPv6(): Promise<boolean>
  /**
   * Link up, with these addresses; IPv6 ones usable at once (no duplicate address detection). Two calls for one link must
   * not overlap: the kernel refuses an address that is there.
   *
   * @returns whether anything of that was not so.
   */
  ensureGateway(gateway: GatewayLink, signal: AbortSignal): Promise<boolean>
  /** Those of the gateways that are not as they shall be, in one look at the host. */
  differing(gateways: readonly GatewayLink[], signal: AbortSignal): Promise<readonly GatewayLink[]>
  /** The settings that {@link ensureForwarding} would change, with the values it would give them. */
  missingForwarding(families: ForwardedFamilies): Promise<SysctlValues>
  /**
   * Turns on forwarding for the families asked for, and nothing more: `ipv4/ip_forward`; `ipv6/conf/all/forwarding`,
   * before which each link that accepts router advertisements is told to go on doing so (`accept_ra` 2), since the
   * kernel would stop it on a router.
   *
   * @returns every setting that was changed, with its value before; empty where all was so already.
   */
  ensureForwarding(families: ForwardedFamilies): Promise<SysctlValues>
  /** Puts settings back. One that is gone or no longer has the value that we gave it is left alone. */
  restore(values: SysctlValues): Promise<void>
}
