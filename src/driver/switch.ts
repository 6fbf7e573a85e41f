import type { RecordChange, RecordTexts } from './records'

/** `system`: the kernel's openvswitch module; `netdev`: ovs-vswitchd itself forwards, in userspace. */
export type DatapathType = 'system' | 'netdev'

/** As `Port:vlan_mode` has it. */
type VlanMode = 'access' | 'trunk' | 'native-tagged' | 'native-untagged' | 'dot1q-tunnel'

/** The VLANs of a port; empty: it carries every VLAN, and untagged frames untagged. */
export interface VlanSpec {
  readonly vlan?: number
  readonly trunks?: readonly number[]
  readonly vlanMode?: VlanMode
}

/** Where samples of a bridge's traffic go: `<address>:<port>` each, and one packet in how many is one. */
export interface CollectorSpec {
  readonly targets: readonly string[]
  readonly rate?: number
}

/** What users may set of a bridge; what is absent is left as it is. */
export interface BridgeSettings {
  /** As `Controller:target` has them. */
  readonly controllers?: readonly string[]
  /** 16 hexadecimal digits. */
  readonly datapathId?: string
  readonly failMode?: 'standalone' | 'secure'
  readonly protocols?: readonly string[]
  readonly macAddress?: string
  readonly stp?: boolean
  readonly rstp?: boolean
  readonly mcastSnooping?: boolean
  readonly sflow?: CollectorSpec
  readonly netflow?: CollectorSpec
  readonly ipfix?: CollectorSpec
}

/** What a bridge shall be. Of one that is not ours only the ports and mirrors that are ours. */
export interface BridgeSpec {
  readonly name: string
  readonly datapath: DatapathType
  /** Of the bridge's local port, in bytes. */
  readonly mtu: number
  /**
   * Of the bridge's local port, given when the bridge is made and then kept. Left alone, ovs-vswitchd takes the lowest
   * among the ports', so that it changes as containers come and go, and with it the datapath id and what neighbours know
   * of the gateway.
   */
  readonly macAddress: string
  readonly settings: BridgeSettings
  /** All that are ours and no container's. */
  readonly ports: readonly BridgePortSpec[]
  readonly mirrors: readonly MirrorSpec[]
}

/** A port of a network: its gateway, an uplink, a tunnel. */
export interface BridgePortSpec extends VlanSpec {
  /** The bridge's own name stands for its local port. */
  readonly name: string
  readonly networkId: string
  /** More than one make a bond. */
  readonly interfaces: readonly InterfaceSpec[]
  readonly bondMode?: string
  /** True: the switch forwards nothing between this port and others that are isolated too. */
  readonly isolated: boolean
  /** True: one of that name which an operator put on the bridge will do. */
  readonly mayBeOthers: boolean
}

export interface InterfaceSpec {
  readonly name: string
  /** As `Interface:type` has it; empty for a link of the kernel's. */
  readonly type: '' | 'internal' | 'vxlan' | 'geneve' | 'gre'
  /** As `Interface:options` has them. */
  readonly options: Readonly<Record<string, string>>
  /** The OpenFlow port number asked for. */
  readonly ofport?: number
  /** Bytes, for internal ones; the kernel's links have theirs. */
  readonly mtu?: number
}

/** Sends a copy of traffic to a port, which then carries nothing else. */
export interface MirrorSpec {
  readonly name: string
  readonly outputPort: string
  /** The traffic of this VLAN; absent: of the whole bridge. */
  readonly vlan?: number
}

/** What a container's port shall be. */
export interface PortSpec extends VlanSpec {
  readonly name: string
  readonly bridge: string
  readonly endpointId: string
  readonly macAddress: string
  /** True: the switch forwards nothing between this port and others that are isolated too. */
  readonly isolated: boolean
  /** What the container may send, enforced by the kernel's policing; kbit/s and kbit. */
  readonly policing?: { readonly rate: number; readonly burst?: number }
  /** What the container may receive, kbit/s. */
  readonly egressRate?: number
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

/**
 * The switch and the record store in its database. What is read is a replica kept current by the database itself.
 * All verbs are idempotent, atomic with their record change, resolve when ovs-vswitchd has applied them if nothing else
 * is said, and reject with a `DriverError`. Rows without the driver's owner mark are never changed or deleted.
 */
export interface Switch {
  /** The switch can be reached and its replica is current. */
  readonly available: boolean
  /**
   * Waits for `available`: 8 s, less than the deadline of Docker's requests; at boot, until 25 s after this process has
   * started, for what Docker does not try again.
   *
   * @throws DriverError `OVS_UNREACHABLE` when that time is over or `signal` aborts first.
   */
  whenAvailable(signal: AbortSignal, patience?: 'request' | 'boot'): Promise<void>
  /**
   * Calls back whenever the switch becomes available, with the replica freshly complete.
   *
   * @returns the function that ends it.
   */
  onAvailable(listener: () => void): () => void
  /** The datapath that this host does best. */
  readonly defaultDatapath: DatapathType
  /** The switch goes on when the plugin stops: it is the host's own. */
  readonly outlivesPlugin: boolean
  /** The userspace datapath forwards unsegmented frames with partial checksums (other_config:userspace-tso-enable). */
  readonly userspaceSegmentation: boolean

  records(): RecordTexts
  bridge(name: string): ObservedBridge | undefined
  port(name: string): ObservedPort | undefined
  ownedBridges(): readonly ObservedBridge[]
  ownedPorts(): readonly OwnedPort[]
  /** Bridges that are not ours and carry ports of ours that are no container's. */
  borrowedBridges(): readonly string[]
  /** What {@link ensureBridge} would change, one readable line each; empty where all is as it shall be. */
  bridgeDifferences(bridge: BridgeSpec): readonly string[]
  /** What {@link plugPort} would change, as {@link bridgeDifferences}. */
  portDifferences(port: PortSpec): readonly string[]

  /**
   * Makes the bridge, its ports and its mirrors, or puts ours right, and removes those of ours that it shall not have.
   *
   * @param specOf what the bridge shall be, by the records at the moment: asked again whenever the replica may have changed.
   * @param networkId on whose behalf: the other networks' ports that cannot be opened fail them, and not this call.
   */
  ensureBridge(
    specOf: () => BridgeSpec,
    networkId: string,
    record: RecordChange,
    signal: AbortSignal,
  ): Promise<void>
  /** Removes the bridge if it is ours, and with it its ports; of another's bridge the ports and mirrors that are ours. */
  removeBridge(name: string, record: RecordChange | undefined, signal: AbortSignal): Promise<void>
  /** Does not wait for ovs-vswitchd: {@link openedPort} does. */
  plugPort(port: PortSpec, record: RecordChange, signal: AbortSignal): Promise<void>
  /**
   * Waits until ovs-vswitchd has opened the port's link.
   *
   * @returns the OpenFlow port number.
   * @throws DriverError `PORT_FAILED` with ovs-vswitchd's reason, `SWITCH_STALLED` where it says nothing in time.
   */
  openedPort(name: string, signal: AbortSignal): Promise<number>
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
