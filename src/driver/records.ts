import type { AddressPool, TransportProtocol } from './api'

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

export function findNetwork(texts: RecordTexts, id: string): NetworkRecord | undefined {
  return parsed(texts.get(NETWORK_PREFIX + id), parseNetwork)
}

export function findEndpoint(texts: RecordTexts, id: string): EndpointRecord | undefined {
  return parsed(texts.get(ENDPOINT_PREFIX + id), parseEndpoint)
}

export function allNetworks(texts: RecordTexts): readonly NetworkRecord[] {
  return allWithPrefix(texts, NETWORK_PREFIX, parseNetwork)
}

export function allEndpoints(texts: RecordTexts): readonly EndpointRecord[] {
  return allWithPrefix(texts, ENDPOINT_PREFIX, parseEndpoint)
}

/** A kernel setting that the driver changed, with its value before; `undefined` once it is put back. */
export function sysctlChange(path: string, before: string | undefined): RecordChange {
  return { key: SYSCTL_PREFIX + path, value: before }
}

/** Kernel settings that the driver changed, with their values before. */
export function changedSysctls(texts: RecordTexts): ReadonlyMap<string, string> {
  return new Map(
    [...texts]
      .filter(([key]) => key.startsWith(SYSCTL_PREFIX))
      .map(([key, before]) => [key.slice(SYSCTL_PREFIX.length), before]),
  )
}

// Records are only ever written by this module, so their text is trusted to have the shape of their key.
const parseNetwork = (text: string): NetworkRecord => JSON.parse(text) as NetworkRecord
const parseEndpoint = (text: string): EndpointRecord => JSON.parse(text) as EndpointRecord

function parsed<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text)
}

function allWithPrefix<T>(texts: RecordTexts, prefix: string, parse: (text: string) => T): readonly T[] {
  return [...texts].filter(([key]) => key.startsWith(prefix)).map(([, text]) => parse(text))
}
