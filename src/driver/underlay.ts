import { DriverError } from '../errors'
import type { Logger } from '../log'
import type { Attempt } from './attempt'
import { ETHERNET_MTU } from './mtu'
import { parseNetworkOptions } from './options'
import type { NetworkRecord, Records } from './records'
import { movedChange } from './records'
import { shortId } from './names'
import { plainAddress } from './subnets'
import type { DatapathType, Switch } from './switch'
import { networkOfOwner, peersOf, tunnelOverhead, vxlanDevice } from './tunnel'
import type { ObservedUnderlay, UnderlayLinks, UplinkLink, VxlanDevice } from './underlay-links'
import { uplinkLinks } from './uplinks'

/** Linux's least MTU for IPv4 is 68, but nobody's underlay is that narrow. */
const LEAST_TUNNEL_MTU = 1280

/**
 * Keeps what a network's bridge leads to right: NICs, tunnel devices, and the addresses of a NIC that have moved to the
 * bridge.
 */
export class NetworkUnderlay {
  private isSwept = false

  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly links: UnderlayLinks,
    private readonly log: Logger,
  ) {}

  /**
   * Refuses what would cut this host off or lead nowhere, before anything is touched.
   *
   * @returns what a tunnel leaves for packets, in bytes; `undefined` without one.
   * @throws DriverError `UPLINK_MISSING`, `UPLINK_HAS_ADDRESS`, `MOVE_UNSAFE` or `OPTION_EXCLUDES`
   */
  async check(plan: Pick<NetworkRecord, 'options'>, signal: AbortSignal): Promise<number | undefined> {
    const options = parseNetworkOptions(plan.options)
    const uplinks = uplinkLinks(plan)
    if (uplinks.length === 0 && options.peers === undefined) return undefined
    const { links } = await this.links.observe(signal)
    for (const link of uplinks) {
      const present = links.get(link)
      if (present === undefined) throw DriverError.of('UPLINK_MISSING', [link])
      if (present.addresses.length > 0 && options.moveIp !== true) {
        throw DriverError.of('UPLINK_HAS_ADDRESS', [link, present.addresses])
      }
    }
    if (options.moveIp === true && !this.ovs.outlivesPlugin)
      throw DriverError.of('MOVE_UNSAFE', uplinks.slice(0, 1) as [string])
    await this.checkPeers(plan, signal)
    const { tunnel, peers = [] } = options
    return tunnel === undefined ? undefined : this.tunnelMtu(tunnel, peers, signal)
  }

  /** @throws DriverError `OPTION_EXCLUDES` where a peer is this host. */
  async checkPeers({ options }: Pick<NetworkRecord, 'options'>, signal: AbortSignal): Promise<void> {
    const { peers = [] } = parseNetworkOptions(options)
    if (peers.length === 0) return
    const { links } = await this.links.observe(signal)
    const own = new Set([...links.values()].flatMap(({ addresses }) => addresses.map(plainAddress)))
    const self = peers.find((peer) => own.has(peer))
    if (self !== undefined) {
      throw DriverError.of('OPTION_EXCLUDES', ['ovs.bridge.peers', self, 'that is this host itself'])
    }
  }

  private async tunnelMtu(
    tunnel: 'vxlan' | 'geneve' | 'gre',
    peers: readonly string[],
    signal: AbortSignal,
  ): Promise<number> {
    const rooms: number[] = []
    for (const peer of peers) {
      const underlay = (await this.links.pathMtu(peer, signal)) ?? ETHERNET_MTU
      rooms.push(underlay - tunnelOverhead(tunnel, peer))
    }
    return Math.max(Math.min(...rooms), LEAST_TUNNEL_MTU)
  }

  /** Idempotent: the links that the bridge's ports are made of. Before the bridge. */
  async ensureLinks(network: NetworkRecord, datapath: DatapathType, signal: AbortSignal): Promise<void> {
    for (const uplink of uplinksOn(network, datapath)) await this.links.ensureUplink(uplink, signal)
    const device = vxlanDevice(network, datapath)
    if (device !== undefined) await this.links.ensureVxlan(device, signal)
  }

  /** Idempotent: what the host's own stack had on the NIC goes to the bridge, recorded before it is touched. */
  async ensureMove(network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const [link] = movedLinks(network)
    if (link === undefined) return
    const known = this.records.moved(link)
    const current = await this.links.hostConfiguration(link, signal)
    if (known !== undefined && current.addresses.length === 0) {
      return this.links.moveHostConfiguration(known.configuration, link, network.bridge, signal)
    }
    const configuration = {
      addresses: union(known?.configuration.addresses, current.addresses),
      routes: union(known?.configuration.routes, current.routes),
      neighbours: union(known?.configuration.neighbours, current.neighbours),
    }
    await this.ovs.putRecord(movedChange(link, { bridge: network.bridge, configuration }), signal)
    await this.links.moveHostConfiguration(configuration, link, network.bridge, signal)
    this.log.info('addresses moved', { from: link, to: network.bridge, addresses: configuration.addresses })
  }

  /** Idempotent; for a network whose record and ports are gone. */
  async remove(network: NetworkRecord, signal: AbortSignal): Promise<void> {
    for (const link of movedLinks(network)) {
      const moved = this.records.moved(link)
      if (moved === undefined) continue
      await this.links.moveHostConfiguration(moved.configuration, network.bridge, link, signal)
      await this.ovs.putRecord(movedChange(link, undefined), signal)
      this.log.info('addresses moved back', {
        from: network.bridge,
        to: link,
        addresses: moved.configuration.addresses,
      })
    }
    const needed = new Set(
      this.records
        .networks()
        .filter(({ id }) => id !== network.id)
        .flatMap(uplinkLinks),
    )
    for (const link of uplinkLinks(network))
      if (!needed.has(link)) await this.links.releaseUplink(link, signal)
    const device = vxlanDevice(network, 'netdev')
    if (device !== undefined) await this.links.removeVxlan(device.name, device.owner, signal)
  }

  /** Compares links with the records and puts right what differs; removes devices that no record names. */
  async reconcile(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const networks = this.records.networks().filter(hasUnderlay)
    if (networks.length === 0 && this.isSwept) return
    const observed = await this.links.observe(signal)
    for (const network of networks) {
      const bridge = this.ovs.bridge(network.bridge)
      const details = this.differencesOf(network, observed)
      if (details.length === 0 || bridge === undefined) continue
      await attempt('underlay', shortId(network.id), async () => {
        await this.ensureLinks(network, bridge.datapath, signal)
        await this.ensureMove(network, signal)
        this.log.info('underlay put right', { bridge: network.bridge, details })
      })
    }
    let hasStrays = false
    for (const [name, { owner }] of observed.links) {
      const id = networkOfOwner(owner)
      if (id === undefined || owner === undefined || this.records.network(id) !== undefined) continue
      const isRemoved = await attempt('stray tunnel device', name, async () => {
        await this.links.removeVxlan(name, owner, signal)
        this.log.info('stray tunnel device removed', { name })
      })
      hasStrays ||= !isRemoved
    }
    this.isSwept = networks.length === 0 && !hasStrays
  }

  /** What {@link reconcile} would put right, a line each. */
  async differences(signal: AbortSignal): Promise<readonly string[]> {
    const networks = this.records.networks().filter(hasUnderlay)
    if (networks.length === 0) return []
    const observed = await this.links.observe(signal)
    return networks.flatMap((network) => this.differencesOf(network, observed))
  }

  private differencesOf(network: NetworkRecord, observed: ObservedUnderlay): readonly string[] {
    const bridge = this.ovs.bridge(network.bridge)
    if (bridge === undefined) return []
    const device = vxlanDevice(network, bridge.datapath)
    return [
      ...uplinksOn(network, bridge.datapath).flatMap((uplink) => uplinkDetails(uplink, observed)),
      ...(device === undefined ? [] : deviceDetails(device, observed)),
      ...movedLinks(network).flatMap((link) => this.moveDetails(link, network.bridge, observed)),
    ]
  }

  private moveDetails(link: string, bridge: string, { links }: ObservedUnderlay): readonly string[] {
    const onBridge = links.get(bridge)?.addresses ?? []
    const moved = this.records.moved(link)?.configuration.addresses ?? []
    return [
      ...moved.filter((cidr) => !onBridge.includes(cidr)).map((cidr) => `${bridge} lacks ${cidr} of ${link}`),
      ...(links.get(link)?.addresses ?? []).map((cidr) => `${link} still has ${cidr}`),
    ]
  }
}

function uplinkDetails(
  { name, bypassHostStack }: UplinkLink,
  { links }: ObservedUnderlay,
): readonly string[] {
  const link = links.get(name)
  if (link === undefined) return [`uplink ${name} is missing`]
  return [
    ...(link.up ? [] : [`uplink ${name} is down`]),
    ...(link.bypassesHostStack === bypassHostStack
      ? []
      : [`uplink ${name} ${bypassHostStack ? 'lacks its' : 'has an'} ingress guard`]),
  ]
}

function deviceDetails({ name, mtu, peers }: VxlanDevice, observed: ObservedUnderlay): readonly string[] {
  const link = observed.links.get(name)
  if (link === undefined) return [`tunnel device ${name} is missing`]
  const present = observed.flooded.get(name) ?? new Set()
  const isSame = present.size === peers.length && peers.every((peer) => present.has(peer))
  return [
    ...(link.up ? [] : [`tunnel device ${name} is down`]),
    ...(link.mtu === mtu ? [] : [`tunnel device ${name} has MTU ${link.mtu}, not ${mtu}`]),
    ...(isSame ? [] : [`tunnel device ${name} does not lead to ${peers.join(', ')}`]),
  ]
}

function hasUnderlay(network: NetworkRecord): boolean {
  return uplinkLinks(network).length > 0 || peersOf(network).length > 0
}

function uplinksOn(network: NetworkRecord, datapath: DatapathType): readonly UplinkLink[] {
  return uplinkLinks(network).map((name) => ({ name, bypassHostStack: datapath === 'netdev' }))
}

/** The NIC whose addresses a network moves to its bridge, if it does. */
function movedLinks(network: NetworkRecord): readonly string[] {
  return parseNetworkOptions(network.options).moveIp === true ? uplinkLinks(network) : []
}

function union(known: readonly string[] = [], current: readonly string[]): readonly string[] {
  return [...new Set([...known, ...current])]
}
