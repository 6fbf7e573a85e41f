import ipaddr from 'ipaddr.js'
import type { Static } from 'typebox'
import type {
  AddressPool,
  CreateEndpointRequest,
  CreateNetworkRequest,
  EndpointRef,
  JoinResult,
  PortBinding,
  PublishRequest,
  TransportProtocol,
} from '../driver/api'
import { DriverError } from '../errors'
import type {
  CreateEndpointBody,
  CreateNetworkBody,
  EndpointBody,
  EndpointOptions,
  OptionsBody,
  PublishBody,
} from './schemas'

const GENERIC = 'com.docker.network.generic'
const INTERNAL = 'com.docker.network.internal'
const PORT_MAP = 'com.docker.network.portmap'
const RESERVED_PREFIX = 'com.docker.network.'

/** IANA protocol numbers. */
const protocols: ReadonlyMap<number, TransportProtocol> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
])

/** The user's `-o` pairs. Throws `BAD_REQUEST` for a value that is not a string: Docker's client sends no other. */
export function toUserOptions({ Options }: Static<typeof OptionsBody>): Readonly<Record<string, string>> {
  const generic = Options?.[GENERIC] ?? {}
  if (!isRecord(generic)) throw badRequest(`${GENERIC} must be an object`)
  const pairs = Object.entries(generic).map(([key, value]): readonly [string, string] => {
    if (typeof value !== 'string') throw badRequest(`option ${key} must be a string`)
    return [key, value]
  })
  return Object.fromEntries(pairs)
}

/** Throws `BAD_REQUEST`. */
export function toCreateNetwork(body: Static<typeof CreateNetworkBody>): CreateNetworkRequest {
  const internal = body.Options?.[INTERNAL] ?? false
  if (typeof internal !== 'boolean') throw badRequest(`${INTERNAL} must be a boolean`)
  return {
    networkId: body.NetworkID,
    options: toUserOptions(body),
    internal,
    ipv4: toPools(body.IPv4Data),
    ipv6: toPools(body.IPv6Data),
  }
}

export function toEndpoint({ NetworkID, EndpointID }: Static<typeof EndpointBody>): EndpointRef {
  return { networkId: NetworkID, endpointId: EndpointID }
}

/**
 * The user's MAC address comes in `Interface`; the copy of it in the options (base64) is not read, for an address that
 * only stood there could not be reported back, and Docker would show none.
 */
export function toCreateEndpoint(body: Static<typeof CreateEndpointBody>): CreateEndpointRequest {
  const { Address, AddressIPv6, MacAddress } = body.Interface ?? {}
  const options: Readonly<Record<string, unknown>> = body.Options ?? {}
  const userOptions = Object.entries(options).filter(
    (pair): pair is [string, string] => !pair[0].startsWith(RESERVED_PREFIX) && typeof pair[1] === 'string',
  )
  return {
    ...toEndpoint(body),
    ...(isGiven(Address) && { ipv4Address: toCidr(Address) }),
    ...(isGiven(AddressIPv6) && { ipv6Address: toCidr(AddressIPv6) }),
    ...(isGiven(MacAddress) && { macAddress: MacAddress.toLowerCase() }),
    options: Object.fromEntries(userOptions),
    bindings: toBindings(body.Options),
  }
}

/** Throws `BAD_REQUEST` for a protocol that has no ports. */
export function toPublish(body: Static<typeof PublishBody>): PublishRequest {
  return { ...toEndpoint(body), bindings: toBindings(body.Options) }
}

function toBindings(options: Static<typeof EndpointOptions> | undefined): readonly PortBinding[] {
  return (options?.[PORT_MAP] ?? []).map(({ Proto, Port, HostIP, HostPort, HostPortEnd }) => {
    const protocol = protocols.get(Proto)
    if (protocol === undefined) throw badRequest(`IP protocol ${Proto} cannot be published`)
    const hostPort = HostPort ?? 0
    return {
      protocol,
      containerPort: Port,
      ...(isGiven(HostIP) && { hostAddress: HostIP }),
      hostPort,
      // Go writes an end that was not set as 0.
      hostPortEnd: Math.max(hostPort, HostPortEnd ?? 0),
    }
  })
}

export function fromJoin(result: JoinResult): Readonly<Record<string, unknown>> {
  return {
    InterfaceName: { SrcName: result.linkName, DstPrefix: result.containerLinkPrefix },
    Gateway: result.ipv4Gateway,
    GatewayIPv6: result.ipv6Gateway,
    DisableGatewayService: result.disableGatewayService,
  }
}

function toPools(pools: Static<typeof CreateNetworkBody>['IPv4Data']): readonly AddressPool[] {
  return (pools ?? []).map(({ Pool, Gateway }) => ({
    pool: toCidr(Pool),
    ...(isGiven(Gateway) && { gateway: toCidr(Gateway) }),
  }))
}

function toCidr(text: string): string {
  if (!ipaddr.isValidCIDR(text)) throw badRequest(`${text} is not an address with a prefix length`)
  return text
}

/** Go writes a string that was not set as an empty one. */
function isGiven(text: string | null | undefined): text is string {
  return text !== undefined && text !== null && text !== ''
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function badRequest(reason: string): DriverError {
  return DriverError.of('BAD_REQUEST', [reason])
}
