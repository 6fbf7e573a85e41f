/** What Docker may ask of the driver, in the driver's own terms; docker/ translates Docker's wire form to these. */

/** One `--subnet` with what belongs to it. All addresses are text in CIDR form, as Docker sends them. */
export interface AddressPool {
  readonly pool: string
  readonly gateway?: string
}

export interface CreateNetworkRequest {
  readonly networkId: string
  /** The user's `-o key=value` pairs. */
  readonly options: Readonly<Record<string, string>>
  /** `docker network create --internal` */
  readonly internal: boolean
  readonly ipv4: readonly AddressPool[]
  readonly ipv6: readonly AddressPool[]
}

export interface GatewayAllocation {
  /** True: Docker shall reserve no gateway address in this family unless the user named one. */
  readonly skipIPv4: boolean
  readonly skipIPv6: boolean
}

export interface EndpointRef {
  readonly networkId: string
  readonly endpointId: string
}

export interface CreateEndpointRequest extends EndpointRef {
  /** CIDR, absent where Docker's IPAM gave none (the null IPAM driver). */
  readonly ipv4Address?: string
  readonly ipv6Address?: string
  /** Six octets in lower-case hex with colons; absent where Docker leaves the choice to the driver. */
  readonly macAddress?: string
  /** The user's `--network name=…,driver-opt=key=value` pairs. */
  readonly options: Readonly<Record<string, string>>
  /** What the user asks to publish (`-p`, `-P`). Docker asks for it apart, once the container has joined. */
  readonly bindings: readonly PortBinding[]
}

export interface CreatedEndpoint {
  /** Present only when the request named none: Docker refuses a MAC address it gave itself. */
  readonly macAddress?: string
}

export interface JoinResult {
  /** A link in Docker's network namespace, for Docker to move into the container. */
  readonly linkName: string
  /** Docker names the link in the container with this and the lowest free number. */
  readonly containerLinkPrefix: string
  /** Plain addresses, no prefix length. */
  readonly ipv4Gateway?: string
  readonly ipv6Gateway?: string
  /** True: Docker shall not add its own `docker_gwbridge` link for want of a gateway. */
  readonly disableGatewayService: boolean
}

/** IP protocol numbers as Docker sends them. */
export type TransportProtocol = 'tcp' | 'udp' | 'sctp'

export interface PortBinding {
  readonly protocol: TransportProtocol
  readonly containerPort: number
  /** Absent: every address of the host. */
  readonly hostAddress?: string
  /** 0: the driver chooses. */
  readonly hostPort: number
  /** The last port of the range to choose from; equals `hostPort` where the user named one port. */
  readonly hostPortEnd: number
}

export interface PublishRequest extends EndpointRef {
  readonly bindings: readonly PortBinding[]
}

/** Free-form facts on an endpoint, for whoever asks. */
export type EndpointInfo = Readonly<Record<string, string | number>>

/**
 * The driver as docker/ sees it. Every call is bounded by `signal`, which aborts at the request's deadline or when
 * the engine hangs up; an aborted create leaves nothing behind. Deletes of what is gone succeed.
 * All reject with a `DriverError`.
 */
export interface NetworkDriver {
  gatewayAllocation(options: Readonly<Record<string, string>>): GatewayAllocation
  createNetwork(request: CreateNetworkRequest, signal: AbortSignal): Promise<void>
  deleteNetwork(networkId: string, signal: AbortSignal): Promise<void>
  createEndpoint(request: CreateEndpointRequest, signal: AbortSignal): Promise<CreatedEndpoint>
  endpointInfo(endpoint: EndpointRef): EndpointInfo
  join(endpoint: EndpointRef, signal: AbortSignal): Promise<JoinResult>
  leave(endpoint: EndpointRef, signal: AbortSignal): Promise<void>
  deleteEndpoint(endpoint: EndpointRef, signal: AbortSignal): Promise<void>
  publish(request: PublishRequest, signal: AbortSignal): Promise<void>
  unpublish(endpoint: EndpointRef, signal: AbortSignal): Promise<void>
}
