import type { FilteredNetwork, PublishedPort } from './firewall'
import type { GatewayLink } from './host-network'
import type { HostPortRequest } from './host-ports'
import type { VethPair } from './links'
import { portOptionsOf } from './endpoint-options'
import { ETHERNET_MTU, mtuOf } from './mtu'
import { parseNetworkOptions } from './options'
import type { EndpointRecord, NetworkRecord, PublishedRecord } from './records'
import { familyOf, isLoopback, plainAddress, realPools } from './subnets'
import type { ObservedBridge, PortSpec } from './switch'

/** The owner mark of an endpoint's links (`ifalias`). */
const LINK_OWNER_PREFIX = 'dovesnap:'

export function linkOwner(endpointId: string): string {
  return LINK_OWNER_PREFIX + endpointId
}

/** The endpoint that a link was made for, from its owner mark; `undefined` for links that are not ours. */
export function endpointOfOwner(owner: string | undefined): string | undefined {
  return owner?.startsWith(LINK_OWNER_PREFIX) === true ? owner.slice(LINK_OWNER_PREFIX.length) : undefined
}

/** What the host must look like for one endpoint. */
export interface DesiredEndpoint {
  readonly veth: VethPair
  readonly port: PortSpec
}

/**
 * Derives an endpoint's links and port from the records. Pure.
 *
 * @param userspaceSegmentation whether the userspace datapath takes frames with offloads left on.
 */
export function desiredEndpoint(
  endpoint: EndpointRecord,
  network: NetworkRecord,
  bridge: ObservedBridge,
  userspaceSegmentation: boolean,
): DesiredEndpoint {
  const { icc } = parseNetworkOptions(network.options)
  const { vlan, trunks, vlanMode, ingressRate, ingressBurst, egressRate } = portOptionsOf(endpoint, network)
  const userspace = bridge.datapath === 'netdev'
  return {
    veth: {
      hostLink: endpoint.hostLink,
      containerLink: endpoint.containerLink,
      mtu: mtuOf(network) ?? bridge.mtu ?? ETHERNET_MTU,
      macAddress: endpoint.macAddress,
      owner: linkOwner(endpoint.id),
      transmitOffload: !userspace || userspaceSegmentation,
      bypassHostStack: userspace,
    },
    port: {
      name: endpoint.hostLink,
      bridge: network.bridge,
      endpointId: endpoint.id,
      macAddress: endpoint.macAddress,
      isolated: !icc,
      ...(vlan === undefined ? {} : { vlan }),
      ...(trunks === undefined ? {} : { trunks }),
      ...(vlanMode === undefined ? {} : { vlanMode }),
      ...(egressRate === undefined ? {} : { egressRate }),
      // The kernel's policing comes after the packet sockets from which a userspace datapath reads.
      ...(ingressRate === undefined || userspace
        ? {}
        : {
            policing: {
              rate: ingressRate,
              ...(ingressBurst === undefined ? {} : { burst: ingressBurst }),
            },
          }),
    },
  }
}

/** The link and the addresses by which this host is the gateway of a network; `undefined` on flat networks. Pure. */
export function desiredGateway(
  network: NetworkRecord,
  bridgeMtu: number | undefined,
): GatewayLink | undefined {
  if (network.gatewayLink === undefined) return undefined
  return {
    name: network.gatewayLink,
    addresses: realPools([...network.ipv4, ...network.ipv6]).flatMap(({ gateway }) => gateway ?? []),
    mtu: mtuOf(network) ?? bridgeMtu ?? ETHERNET_MTU,
  }
}

/**
 * What the host's packet filter shall do for a network; `undefined` on flat networks, whose frames it never sees. Pure.
 *
 * @param endpoints those of this network.
 */
export function desiredFilter(
  network: NetworkRecord,
  endpoints: readonly EndpointRecord[],
): FilteredNetwork | undefined {
  if (network.gatewayLink === undefined) return undefined
  const { mode, icc } = parseNetworkOptions(network.options)
  return {
    id: network.id,
    link: network.gatewayLink,
    subnets: realPools([...network.ipv4, ...network.ipv6]).map(({ pool, gateway }) => ({
      subnet: pool,
      ...(gateway === undefined ? {} : { gateway }),
    })),
    masquerade: mode === 'nat',
    internal: network.internal,
    interContainer: icc,
    published: endpoints.flatMap(redirectedPorts),
  }
}

/**
 * The published ports of an endpoint that the packet filter redirects. It cannot for clients on the host's loopback
 * addresses, nor from one address family to the other: those are the relay's.
 */
export function redirectedPorts(endpoint: EndpointRecord): readonly PublishedPort[] {
  const { ipv4Address, ipv6Address } = endpoint
  const containers = [ipv4Address, ipv6Address].flatMap((cidr) =>
    cidr === undefined ? [] : plainAddress(cidr),
  )
  return endpoint.published.flatMap(({ protocol, hostAddress, hostPort, containerPort }) =>
    containers
      .filter((container) => hostAddress === undefined || familyOf(container) === familyOf(hostAddress))
      .filter(() => hostAddress === undefined || !isLoopback(hostAddress))
      .map((containerAddress) => ({
        protocol,
        ...(hostAddress === undefined || isWildcard(hostAddress) ? {} : { hostAddress }),
        hostPort,
        containerAddress,
        containerPort,
      })),
  )
}

const WILDCARDS = ['0.0.0.0', '::']

function isWildcard(address: string): boolean {
  return WILDCARDS.includes(address)
}

/**
 * The host's port to hold for a published port: at every address that it has, relayed to the container's address of the
 * same family or, where it has none, of the other.
 */
export function heldPort(
  endpoint: EndpointRecord,
  { protocol, hostAddress, containerPort }: Omit<PublishedRecord, 'hostPort'>,
  from: number,
  to: number,
): HostPortRequest {
  const containers = [endpoint.ipv4Address, endpoint.ipv6Address].flatMap((cidr) =>
    cidr === undefined ? [] : plainAddress(cidr),
  )
  const addresses = hostAddress === undefined ? WILDCARDS : [hostAddress]
  const bindings = addresses.flatMap((address) => {
    const same = containers.find((container) => familyOf(container) === familyOf(address))
    const target = same ?? containers[0]
    return target === undefined ? [] : [{ address, target: { address: target, port: containerPort } }]
  })
  return { protocol, bindings, from, to }
}
