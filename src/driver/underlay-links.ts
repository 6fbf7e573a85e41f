/** A VXLAN device of the kernel's, which floods to all its peers and learns who is behind which. */
export interface VxlanDevice {
  readonly name: string
  readonly owner: string
  readonly vni: number
  readonly port: number
  readonly localIp?: string
  readonly peers: readonly string[]
  /** Bytes. */
  readonly mtu: number
}

/** A NIC of the host's on a bridge. */
export interface UplinkLink {
  readonly name: string
  /** True: the host's own stack sees nothing of what arrives on it, as with containers' links. */
  readonly bypassHostStack: boolean
}

/** What the host's own stack had on a NIC: `ip`'s own words, to be given to another link. */
export interface HostConfiguration {
  /** CIDR form, of global scope. */
  readonly addresses: readonly string[]
  /** As `ip route show` prints them, without their link; those that the kernel makes by itself left out. */
  readonly routes: readonly string[]
  /** As `ip neighbour show` prints the permanent ones, without their link. */
  readonly neighbours: readonly string[]
}

/** A link as the underlay's comparison needs it. */
export interface ObservedLink {
  readonly up: boolean
  /** Bytes. */
  readonly mtu: number
  /** Of global scope, CIDR form. */
  readonly addresses: readonly string[]
  readonly owner?: string
  readonly bypassesHostStack: boolean
}

/** All links at one moment. */
export interface ObservedUnderlay {
  readonly links: ReadonlyMap<string, ObservedLink>
  /** The peers to which each VXLAN device sends what it has not learnt. */
  readonly flooded: ReadonlyMap<string, ReadonlySet<string>>
}

/** The links beyond the containers': uplinks, tunnel devices, and what the host's own stack has on them. */
export interface UnderlayLinks {
  /** Takes as long for many networks as for one. */
  observe(signal: AbortSignal): Promise<ObservedUnderlay>
  /** Of the link by which an address is reached, in bytes; `undefined` where there is no route. */
  pathMtu(address: string, signal: AbortSignal): Promise<number | undefined>

  /** Idempotent. Link up. */
  ensureUplink(uplink: UplinkLink, signal: AbortSignal): Promise<void>
  /** Idempotent. Leaves the link as it is, but for what {@link ensureUplink} keeps from the host's stack. */
  releaseUplink(name: string, signal: AbortSignal): Promise<void>
  /** Idempotent. */
  ensureVxlan(device: VxlanDevice, signal: AbortSignal): Promise<void>
  /** Idempotent. Leaves a link of another owner alone. */
  removeVxlan(name: string, owner: string, signal: AbortSignal): Promise<void>

  hostConfiguration(link: string, signal: AbortSignal): Promise<HostConfiguration>
  /** Idempotent. Takes it from one link and gives it to the other, in one process; a link that is gone has none. */
  moveHostConfiguration(
    configuration: HostConfiguration,
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<void>
}
