import type { RecordChange, RecordTexts } from './records'

/** `system`: the kernel's openvswitch module; `netdev`: ovs-vswitchd itself forwards, in userspace. */
export type DatapathType = 'system' | 'netdev'

/** What a bridge of ours shall be. */
export interface BridgeSpec {
  readonly name: string
  readonly datapath: DatapathType
  /** Of the bridge's local port, in bytes. */
  readonly mtu: number
}

/** What a container's port shall be. */
export interface PortSpec {
  readonly name: string
  readonly bridge: string
  readonly endpointId: string
  readonly macAddress: string
  /** Access VLAN; absent: untagged frames stay untagged. */
  readonly vlan?: number
}

export interface ObservedBridge {
  readonly name: string
  /** Carries the driver's owner mark. */
  readonly owned: boolean
  readonly datapath: DatapathType
  readonly mtu?: number
}

export interface ObservedPort {
  readonly name: string
  readonly bridge: string
  /** The endpoint it was made for; absent on ports that are not the driver's. */
  readonly endpointId?: string
  readonly macAddress?: string
  readonly vlan?: number
  /** OpenFlow port number, absent until ovs-vswitchd has opened the link. */
  readonly ofport?: number
  /** Why ovs-vswitchd could not open the link. */
  readonly error?: string
}

export type OwnedPort = ObservedPort & { readonly endpointId: string }

/**
 * The switch and the record store in its database. What is read is a replica kept current by the database itself.
 * All verbs are idempotent, atomic with their record change, resolve when ovs-vswitchd has applied them, and reject
 * with a `DriverError`. Rows without the driver's owner mark are never changed or deleted.
 */
export interface Switch {
  /** The switch can be reached and its replica is current. */
  readonly available: boolean
  /** Waits for `available`. @throws DriverError `OVS_UNREACHABLE` when `signal` aborts first. */
  whenAvailable(signal: AbortSignal): Promise<void>
  /**
   * Calls back whenever the switch becomes available, with the replica freshly complete.
   *
   * @returns the function that ends it.
   */
  onAvailable(listener: () => void): () => void
  /** The datapath that this host does best. */
  readonly defaultDatapath: DatapathType
  /** The userspace datapath forwards unsegmented frames with partial checksums (other_config:userspace-tso-enable). */
  readonly userspaceSegmentation: boolean

  records(): RecordTexts
  bridge(name: string): ObservedBridge | undefined
  port(name: string): ObservedPort | undefined
  ownedBridges(): readonly ObservedBridge[]
  ownedPorts(): readonly OwnedPort[]

  /** Makes the bridge, or puts ours right; one that is not ours is left as it is and only the record is written. */
  ensureBridge(bridge: BridgeSpec, record: RecordChange, signal: AbortSignal): Promise<void>
  /** Removes the bridge if it is ours, and with it its ports. */
  removeBridge(name: string, record: RecordChange | undefined, signal: AbortSignal): Promise<void>
  /** @returns the OpenFlow port number. */
  plugPort(port: PortSpec, record: RecordChange, signal: AbortSignal): Promise<number>
  /** Removes the port if it was made for that endpoint. Does not wait for ovs-vswitchd. */
  unplugPort(
    name: string,
    endpointId: string,
    record: RecordChange | undefined,
    signal: AbortSignal,
  ): Promise<void>
  /** Changes a record alone; nothing for ovs-vswitchd to apply. */
  putRecord(record: RecordChange, signal: AbortSignal): Promise<void>
}
