import type { AddressPool, TransportProtocol } from './api'
import type { HostConfiguration } from './underlay-links'

/**
 * What should be, as it is kept in OVSDB (`Open_vSwitch.external_ids`, one key per record): it lives and dies with the
 * switch it describes, and an operator can read it with ovs-vsctl.
 */
export interface NetworkRecord {
  readonly id: string
  readonly bridge: string
  /** True: the bridge was there before us. It is used, and neither changed nor deleted. */
  readonly foreignBridge: boolean
  /** nat, routed: the link that holds the gateway addresses, which is the bridge itself or a port of the network's own. */
  readonly gatewayLink?: string
  /** What the underlay left for packets when the network was made, in bytes; absent without a tunnel. */
  readonly tunnelMtu?: number
  /** The hosts that the network spans, where they were changed after it was made. */
  readonly peers?: readonly string[]
  /** The user's `-o` pairs as given. */
  readonly options: Readonly<Record<string, string>>
  readonly internal: boolean
  readonly ipv4: readonly AddressPool[]
  readonly ipv6: readonly AddressPool[]
}

export interface EndpointRecord {
  readonly id: string
  readonly networkId: string
  readonly hostLink: string
  readonly containerLink: string
  readonly macAddress: string
  readonly ipv4Address?: string
  readonly ipv6Address?: string
  /** The user's driver options as given. */
  readonly options: Readonly<Record<string, string>>
  /** From Join to Leave: a container holds the link. */
  readonly joined: boolean
  /** Ports of the host that lead to the container. */
  readonly published: readonly PublishedRecord[]
  /** Ports that the user asked to publish, as `80/tcp`, on a network that cannot. */
  readonly unpublishable: readonly string[]
}

export interface PublishedRecord {
  readonly protocol: TransportProtocol
  /** As the user gave it; absent: every address of the host. */
  readonly hostAddress?: string
  readonly hostPort: number
  readonly containerPort: number
}

/** A key of the switch's record store and its new text; `undefined` removes the key. */
export interface RecordChange {
  readonly key: string
  readonly value: string | undefined
}

/** The switch's record store as it is now; others keep keys of their own in it. */
export type RecordTexts = ReadonlyMap<string, string>

const NETWORK_PREFIX = 'dovesnap-network-'
const ENDPOINT_PREFIX = 'dovesnap-endpoint-'
const SYSCTL_PREFIX = 'dovesnap-sysctl-'
const MOVED_PREFIX = 'dovesnap-moved-'

/** What the host's own stack had on a NIC before it was given to a bridge. */
export interface MovedRecord {
  readonly bridge: string
  readonly configuration: HostConfiguration
}

export function networkChange(record: NetworkRecord): RecordChange {
  return { key: NETWORK_PREFIX + record.id, value: JSON.stringify(record) }
}

export function networkRemoval(id: string): RecordChange {
  return { key: NETWORK_PREFIX + id, value: undefined }
}

export function endpointChange(record: EndpointRecord): RecordChange {
  return { key: ENDPOINT_PREFIX + record.id, value: JSON.stringify(record) }
}

export function endpointRemoval(id: string): RecordChange {
  return { key: ENDPOINT_PREFIX + id, value: undefined }
}

/** A kernel setting that the driver changed, with its value before; `undefined` once it is put back. */
export function sysctlChange(path: string, before: string | undefined): RecordChange {
  return { key: SYSCTL_PREFIX + path, value: before }
}

/** `undefined` once it is put back. */
export function movedChange(link: string, record: MovedRecord | undefined): RecordChange {
  return { key: MOVED_PREFIX + link, value: record === undefined ? undefined : JSON.stringify(record) }
}

/**
 * The records as the switch's replica shows them at the moment of each call. Parsing is remembered by text and lists by
 * the whole store, because one look at the host reads every record many times.
 */
export class Records {
  private readonly parsed = new Map<string, Parsed>()
  private listed: Listed | undefined

  /** @param texts gives the same map for as long as nothing in it changed, and never changes one that it gave. */
  constructor(private readonly texts: () => RecordTexts) {}

  network(id: string): NetworkRecord | undefined {
    return this.find(NETWORK_PREFIX + id) as NetworkRecord | undefined
  }

  endpoint(id: string): EndpointRecord | undefined {
    return this.find(ENDPOINT_PREFIX + id) as EndpointRecord | undefined
  }

  networks(): readonly NetworkRecord[] {
    return this.lists().networks
  }

  endpoints(): readonly EndpointRecord[] {
    return this.lists().endpoints
  }

  networksOn(bridge: string): readonly NetworkRecord[] {
    return this.lists().networksByBridge.get(bridge) ?? []
  }

  endpointsOf(networkId: string): readonly EndpointRecord[] {
    return this.lists().endpointsByNetwork.get(networkId) ?? []
  }

  moved(link: string): MovedRecord | undefined {
    return this.find(MOVED_PREFIX + link) as MovedRecord | undefined
  }

  /** The links of which {@link moved} tells. */
  movedFrom(): readonly string[] {
    return [...this.texts().keys()].flatMap((key) =>
      key.startsWith(MOVED_PREFIX) ? [key.slice(MOVED_PREFIX.length)] : [],
    )
  }

  /** Kernel settings that the driver changed, with their values before. */
  changedSysctls(): ReadonlyMap<string, string> {
    return new Map(
      [...this.texts()]
        .filter(([key]) => key.startsWith(SYSCTL_PREFIX))
        .map(([key, before]) => [key.slice(SYSCTL_PREFIX.length), before]),
    )
  }

  private lists(): Listed {
    const texts = this.texts()
    if (this.listed?.texts === texts) return this.listed
    for (const key of this.parsed.keys()) if (!texts.has(key)) this.parsed.delete(key)
    const all = (prefix: string): readonly unknown[] =>
      [...texts.keys()].filter((key) => key.startsWith(prefix)).map((key) => this.find(key))
    const networks = all(NETWORK_PREFIX) as readonly NetworkRecord[]
    const endpoints = all(ENDPOINT_PREFIX) as readonly EndpointRecord[]
    this.listed = {
      texts,
      networks,
      endpoints,
      networksByBridge: groupBy(networks, ({ bridge }) => bridge),
      endpointsByNetwork: groupBy(endpoints, ({ networkId }) => networkId),
    }
    return this.listed
  }

  // Records are only ever written by this module, so their text is trusted to have the shape of their key.
  private find(key: string): unknown {
    const text = this.texts().get(key)
    if (text === undefined) return undefined
    const known = this.parsed.get(key)
    if (known?.text === text) return known.record
    const record: unknown = JSON.parse(text)
    this.parsed.set(key, { text, record })
    return record
  }
}

interface Parsed {
  readonly text: string
  readonly record: unknown
}

interface Listed {
  readonly texts: RecordTexts
  readonly networks: readonly NetworkRecord[]
  readonly endpoints: readonly EndpointRecord[]
  readonly networksByBridge: ReadonlyMap<string, readonly NetworkRecord[]>
  readonly endpointsByNetwork: ReadonlyMap<string, readonly EndpointRecord[]>
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups
}
