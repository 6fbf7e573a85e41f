import type { TransportProtocol } from './api'

/** Where the relay passes on what reaches a held socket. Plain address. */
export interface RelayTarget {
  readonly address: string
  readonly port: number
}

/** One port of the host, at one address or several. */
export interface HostPortRequest {
  readonly protocol: TransportProtocol
  /** Plain addresses to bind, each with its target; `0.0.0.0` and `::` (IPv6 only) stand for all of a family. */
  readonly bindings: readonly { readonly address: string; readonly target: RelayTarget }[]
  /** The first and the last port to choose from; both 0: any that is free. */
  readonly from: number
  readonly to: number
}

/**
 * Ports of the host, held by bound sockets for as long as they are published, so that no process takes them meanwhile
 * and a port in use is found before Docker says yes. What netfilter does not redirect arrives at the socket: clients on
 * the host's loopback addresses, and everybody while the rules are gone. It is relayed to the container.
 *
 * A holder is an endpoint id.
 */
export interface HostPorts {
  /**
   * Binds one port number at all of the addresses, the first of the range that is free at all of them. A port of the
   * range that this holder has for these bindings already is kept and returned.
   *
   * @returns the port.
   * @throws DriverError `PORT_TAKEN`, naming port and protocol and, where it is one of ours, its holder.
   */
  hold(holder: string, request: HostPortRequest): Promise<number>
  /** Releases all ports of a holder, and ends what is being relayed. Idempotent. */
  release(holder: string): Promise<void>
  holders(): readonly string[]
}
