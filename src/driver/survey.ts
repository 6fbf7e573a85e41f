import { reasonOf } from '../errors'
import type { Abandoned } from './abandoned'
import type { NetworkApplier } from './apply-network'
import type { VethPair } from './links'
import { speakingOfBridge } from './endpoint-options'
import { desiredEndpoint, endpointOfOwner, linkOwner } from './desired'
import type { Link } from './links'
import { shortId } from './names'
import type { EndpointRecord, NetworkRecord, Records } from './records'
import type { Switch } from './switch'

/** One thing on the host that is not as the records say, and, a line each, in what. */
export type Difference =
  | { readonly kind: 'network'; readonly record: NetworkRecord; readonly details: readonly string[] }
  | {
      readonly kind: 'abandoned network'
      readonly record: NetworkRecord
      readonly details: readonly string[]
    }
  | {
      readonly kind: 'endpoint'
      readonly record: EndpointRecord
      readonly network: NetworkRecord
      readonly details: readonly string[]
    }
  | {
      readonly kind: 'endpoint without a container'
      readonly record: EndpointRecord
      readonly details: readonly string[]
    }
  | StrayPart

/** What carries our mark and no record names. */
export type StrayPart =
  | { readonly kind: 'stray port' | 'stray link'; readonly name: string; readonly endpointId: string }
  | { readonly kind: 'stray bridge'; readonly name: string }

type LinksByName = ReadonlyMap<string, Link>

/** One line for each difference, for whoever asks what reconcile would do. */
export function describeDifference(difference: Difference): string {
  if ('name' in difference) return `${difference.kind} ${difference.name}`
  const { kind, record, details } = difference
  return `${kind} ${shortId(record.id)}: ${details.join('; ')}`
}

/** Compares the host with the records. Changes nothing. */
export class Survey {
  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly bridges: Pick<NetworkApplier, 'bridgeSpecOf'>,
    private readonly abandoned: Abandoned,
    /** Endpoints whose time to have a container is over. */
    private readonly isOverdue: (endpoint: EndpointRecord, isLinkHere: boolean) => boolean,
  ) {}

  networks(): readonly Difference[] {
    const speaking = speakingOfBridge(this.records.endpoints())
    const settled = speaking.filter(({ joined }) => joined)
    return this.records.networks().flatMap((record): readonly Difference[] => {
      if (this.abandoned.has(record.id)) {
        return [{ kind: 'abandoned network', record, details: ['Docker gave it up'] }]
      }
      const details = this.networkDetails(record, speaking)
      // What a container wants of the bridge comes before it joins, and goes after it has left.
      const isDue = details.length > 0 && this.networkDetails(record, settled).length > 0
      return isDue ? [{ kind: 'network', record, details }] : []
    })
  }

  private networkDetails(record: NetworkRecord, speaking: readonly EndpointRecord[]): readonly string[] {
    if (record.foreignBridge && this.ovs.bridge(record.bridge) === undefined) {
      return [`bridge ${record.bridge} is missing`]
    }
    try {
      return this.ovs.bridgeDifferences(this.bridges.bridgeSpecOf(record, speaking))
    } catch (error) {
      return [reasonOf(error)]
    }
  }

  /**
   * @param endpoints read before the links were listed: a record is written after its link is made, so a link that the
   * list lacks is gone, and not yet to come.
   */
  endpoints(endpoints: readonly EndpointRecord[], links: LinksByName): readonly Difference[] {
    return endpoints.flatMap((record) => this.endpoint(record, links) ?? [])
  }

  /** `undefined` where the endpoint is as it shall be. */
  endpoint(record: EndpointRecord, links: LinksByName): Difference | undefined {
    const network = this.records.network(record.networkId)
    const unneeded = this.unneededBecause(record, network, links)
    if (network === undefined || unneeded !== undefined) {
      return { kind: 'endpoint without a container', record, details: [unneeded ?? 'its network is gone'] }
    }
    const details = this.endpointDetails(record, network, links)
    return details.length === 0 ? undefined : { kind: 'endpoint', record, network, details }
  }

  /** The kernel deletes a pair with the container's namespace, so an endpoint without its link has no container. */
  private unneededBecause(
    record: EndpointRecord,
    network: NetworkRecord | undefined,
    links: LinksByName,
  ): string | undefined {
    if (network === undefined) return 'its network is gone'
    if (links.get(record.hostLink)?.owner !== linkOwner(record.id)) return `link ${record.hostLink} is gone`
    if (this.abandoned.has(record.id)) return 'Docker gave it up'
    const isLinkHere = links.get(record.containerLink)?.owner === linkOwner(record.id)
    return this.isOverdue(record, isLinkHere) ? 'no container took its link' : undefined
  }

  private endpointDetails(
    record: EndpointRecord,
    network: NetworkRecord,
    links: LinksByName,
  ): readonly string[] {
    const bridge = this.ovs.bridge(network.bridge)
    if (bridge === undefined) return [`bridge ${network.bridge} is missing`]
    const { veth, port } = desiredEndpoint(record, network, bridge, this.ovs.userspaceSegmentation)
    const error = this.ovs.port(port.name)?.error
    return [
      ...linkDetails(veth, links.get(veth.hostLink)),
      ...this.ovs.portDifferences(port),
      ...(error === undefined ? [] : [`port ${port.name}: ${error}`]),
    ]
  }

  strays(links: LinksByName): readonly StrayPart[] {
    const isEndpoint = (id: string): boolean => this.records.endpoint(id) !== undefined
    const bridges = new Set(this.records.networks().map(({ bridge }) => bridge))
    return [
      ...this.ovs
        .ownedPorts()
        .filter(({ endpointId }) => !isEndpoint(endpointId))
        .map(({ name, endpointId }) => ({ kind: 'stray port', name, endpointId }) as const),
      ...[...links.values()].flatMap(({ name, owner }) => {
        const endpointId = endpointOfOwner(owner)
        const isStray = endpointId !== undefined && !isEndpoint(endpointId)
        return isStray ? [{ kind: 'stray link', name, endpointId } as const] : []
      }),
      ...[...this.ovs.ownedBridges().map(({ name }) => name), ...this.ovs.borrowedBridges()]
        .filter((name) => !bridges.has(name))
        .map((name) => ({ kind: 'stray bridge', name }) as const),
    ]
  }
}

function linkDetails(veth: VethPair, link: Link | undefined): readonly string[] {
  const name = `link ${veth.hostLink}`
  return [
    ...(link?.up === true ? [] : [`${name} is down`]),
    ...(link?.mtu === veth.mtu ? [] : [`${name} has MTU ${link?.mtu ?? '?'}, not ${veth.mtu}`]),
    ...(link?.bypassesHostStack === veth.bypassHostStack
      ? []
      : [`${name} ${veth.bypassHostStack ? 'lacks its' : 'has an'} ingress guard`]),
  ]
}
