import type { RecordChange, RecordTexts } from './records'

/** `system`: the kernel's openvswitch module; `netdev`: ovs-vswitchd itself forwards, in userspace. */
export type DatapathType = 'system' | 'netdev'

/** What a bridge of ours shall be. */
export interface BridgeSpec {
  readonly name: string
  readonly datapath: DatapathType
  /** Of the bridge's local port, in bytes. */
  readonly mtu: number
  /**
   * Of the bridge's local port, given when the bridge is made and then kept. Left alone, ovs-vswitchd takes the lowest among the ports', so that it changes as
   * containers come and go, and with it the datapath id and what neighbours know of the gateway.
   */
  readonly macAddress: string
  /** The port behind which this host's own stack is the gateway of a network; absent: the bridge has none for it. */
  readonly gatewayPort?: GatewayPortSpec
}

export interface GatewayPortSpec {
  /** The bridge's own name stands for its local port; any other for an internal port of the network's own. */
  readonly name: string
  readonly networkId: string
  readonly vlan?: number
}

/** What a container's port shall be. */
export interface PortSpec {
  readonly name: string
  readonly bridge: string
  readonly endpointId: string
  readonly macAddress: string
  /** Access VLAN; absent: untagged frames stay untagged. */
  readonly vlan?: number
  /** True: the switch forwards nothing between this port and others that are isolated too. */
  readonly isolated: boolean
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
  readonly isolated: boolean
  /** OpenFlow port number, absent until ovs-vswitchd has opened the link. */
  readonly ofport?: number
  /** Why ovs-vswitchd could not open the link. */
  readonly error?: string
}

export type OwnedPort = ObservedPort & { readonly endpointId: string }

/** An internal port that is the gateway of one network. */
export interface OwnedGatewayPort {
  readonly name: string
  readonly networkId: string
}

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
  ownedGatewayPorts(): readonly OwnedGatewayPort[]

  /**
   * Makes the bridge and the gateway port, or puts ours right; a bridge that is not ours gets the gateway port only.
   */
  ensureBridge(bridge: BridgeSpec, record: RecordChange, signal: AbortSignal): Promise<void>
  /** Removes the bridge if it is ours, and with it its ports. */
  removeBridge(name: string, record: RecordChange | undefined, signal: AbortSignal): Promise<void>
  /** Removes the internal gateway port of that network. */
  removeGatewayPort(
    name: string,
    networkId: string,
    record: RecordChange | undefined,
    signal: AbortSignal,
  ): Promise<void>
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
