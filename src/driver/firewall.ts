import type { DriverError } from '../errors'
import type { TransportProtocol } from './api'

/** A subnet of a network and the address that the host holds in it, both in CIDR form. */
interface GatewaySubnet {
  readonly subnet: string
  /** Absent where the network has no gateway in this subnet. */
  readonly gateway?: string
}

/** One container port made reachable at a port of the host. */
export interface PublishedPort {
  readonly protocol: TransportProtocol
  /** Plain address of the host; absent: every address of `containerAddress`'s family. */
  readonly hostAddress?: string
  readonly hostPort: number
  /** Plain address; its family is the binding's family. */
  readonly containerAddress: string
  readonly containerPort: number
}

/** What netfilter shall do for one nat or routed network. */
export interface FilteredNetwork {
  readonly id: string
  /** The link that holds the gateway addresses; containers' traffic enters and leaves the host's stack there. */
  readonly link: string
  /** IPv4 and IPv6 subnets together. */
  readonly subnets: readonly GatewaySubnet[]
  /** True (nat): what leaves by another link takes the host's address. False (routed): it keeps the container's. */
  readonly masquerade: boolean
  /** True: nothing is forwarded into or out of the network; containers reach the gateway address at most. */
  readonly internal: boolean
  /**
   * False: nothing is forwarded from the link back to it, so that containers which the switch keeps apart do not meet
   * through the gateway either; published ports of a neighbour, reached at the host's address, are.
   */
  readonly interContainer: boolean
  readonly published: readonly PublishedPort[]
}

/**
 * The host's packet filter. All verbs are idempotent and atomic per address family, touch nothing but the driver's own
 * chains and the jumps to them, and reject with a `DriverError`.
 */
export interface Firewall {
  /** Makes the network's rules be as they shall, published ports included. Costs what this network costs. */
  ensureNetwork(network: FilteredNetwork, signal: AbortSignal): Promise<void>
  /** Removes the network's rules; the last network takes the driver's own chains and jumps along. */
  removeNetwork(networkId: string, signal: AbortSignal): Promise<void>
  /** Adds ports to a network whose rules are in place. Costs what these ports cost. */
  publish(network: FilteredNetwork, ports: readonly PublishedPort[], signal: AbortSignal): Promise<void>
  /** Removes ports, and what the kernel remembers of their flows; those that are gone are no error. */
  unpublish(network: FilteredNetwork, ports: readonly PublishedPort[], signal: AbortSignal): Promise<void>
  /** What {@link reconcile} would put right. */
  differences(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]>
  /**
   * Compares what the host has with what all the networks together shall have, and puts it right: rules that were
   * flushed, changed, out of place, or of networks that are no more.
   *
   * @returns what was different, one readable line each; empty where nothing was.
   */
  reconcile(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]>
}

/** What keeps a network's packets on this host. */
export interface Blockade {
  /** The network's. */
  readonly link: string
  /** Whose rules, and what to do. */
  readonly reason: DriverError
}

/** The packet filters of others on this host, which are looked at and never changed. */
export interface OtherFilters {
  /** For each network of which they let nothing out. */
  blockades(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly Blockade[]>
}
