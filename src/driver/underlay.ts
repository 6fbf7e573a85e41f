import { DriverError } from '../errors'
import type { Logger } from '../log'
import type { Attempts } from './attempt'
import type { KeyedLock } from './keyed-lock'
import { lockKey } from './locks'
import { ETHERNET_MTU } from './mtu'
import { parseNetworkOptions } from './options'
import type { NetworkRecord, Records } from './records'
import { movedChange } from './records'
import { plainAddress } from './subnets'
import { Sweep } from './sweep'
import type { DatapathType, Switch } from './switch'
import { peersOf, tunnelOverhead, vxlanDevice } from './tunnel'
import type { ObservedUnderlay, UnderlayLinks, UplinkLink, VxlanDevice } from './underlay-links'
import type { UnderlayStray } from './underlay-strays'
import { describeStray, underlayStrays } from './underlay-strays'
import { movedLinks, uplinkLinks } from './uplinks'

/** Linux's least MTU for IPv4 is 68, but nobody's underlay is that narrow. */
const LEAST_TUNNEL_MTU = 1280

/**
 * Keeps what a network's bridge leads to right: NICs, tunnel devices, and the addresses of a NIC that have moved to the
 * bridge.
 */
export class NetworkUnderlay {
  private readonly sweep = new Sweep()
  /** Links of networks that are being made or removed, whether recorded or not. */
  private readonly claims = new Set<readonly string[]>()

  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly links: UnderlayLinks,
    private readonly locks: KeyedLock,
    private readonly log: Logger,
  ) {}

  /** While `work` makes or removes the network, nothing of it is taken for a stray. */
  async claim<T>(network: NetworkRecord, work: () => Promise<T>): Promise<T> {
    const links = linksOf(network)
    this.sweep.begin()
    this.claims.add(links)
    try {
      return await work()
    } finally {
      this.claims.delete(links)
    }
  }

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
    const { tunnel, peers = [] } = options
    refuseOwnAddress(peers, links)
    return tunnel === undefined ? undefined : this.tunnelMtu(tunnel, peers, signal)
  }

  /** @throws DriverError `OPTION_EXCLUDES` where a peer is this host. */
  async checkPeers({ options }: Pick<NetworkRecord, 'options'>, signal: AbortSignal): Promise<void> {
    const { peers = [] } = parseNetworkOptions(options)
    if (peers.length > 0) refuseOwnAddress(peers, (await this.links.observe(signal)).links)
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
    const device = vxlanDevice(network)
    for (const uplink of uplinksOn(network, datapath)) {
      await this.locked(uplink.name, () => this.links.ensureUplink(uplink, signal))
    }
    if (device !== undefined) {
      await this.locked(device.name, () => this.links.ensureVxlan(device, signal))
    }
  }

  /** Idempotent: what the host's own stack had on the NIC goes to the bridge, recorded before it is touched. */
  async ensureMove(network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const [link] = movedLinks(network)
    if (link !== undefined) await this.locked(link, () => this.move(link, network, signal))
  }

  private async move(link: string, network: NetworkRecord, signal: AbortSignal): Promise<void> {
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
    for (const link of movedLinks(network)) await this.locked(link, () => this.giveBack(link, signal))
    const needed = new Set(
      this.records
        .networks()
        .filter(({ id }) => id !== network.id)
        .flatMap(uplinkLinks),
    )
    for (const link of uplinkLinks(network)) {
      if (!needed.has(link)) await this.locked(link, () => this.links.releaseUplink(link, signal))
    }
    const device = vxlanDevice(network)
    if (device !== undefined) {
      const { name, owner } = device
      await this.locked(name, () => this.links.removeVxlan(name, owner, signal))
    }
  }

  private async giveBack(link: string, signal: AbortSignal): Promise<void> {
    const moved = this.records.moved(link)
    if (moved === undefined) return
    const { bridge, configuration } = moved
    await this.links.moveHostConfiguration(configuration, bridge, link, signal)
    await this.ovs.putRecord(movedChange(link, undefined), signal)
    this.log.info('addresses moved back', { from: bridge, to: link, addresses: configuration.addresses })
  }

  /** Compares links with the records and puts right what differs; removes what networks that are gone have left. */
  async reconcile(attempts: Attempts, signal: AbortSignal): Promise<void> {
    const networks = this.records.networks().filter(hasUnderlay)
    if (networks.length === 0 && this.sweep.isDone) return
    const finish = this.sweep.look()
    const observed = await this.links.observe(signal)
    for (const network of networks) {
      if (this.differencesOf(network, observed).length === 0) continue
      await attempts.network('underlay', network, (current) => this.putRight(current, signal))
    }
    const strays = this.strays(observed)
    for (const stray of strays) {
      await attempts.part(`stray ${stray.kind}`, stray.name, () =>
        this.locked(stray.name, () => this.putStrayRight(stray, signal)),
      )
    }
    if (networks.length === 0 && strays.length === 0) finish()
  }

  private async putRight(network: NetworkRecord, signal: AbortSignal): Promise<void> {
    const bridge = this.ovs.bridge(network.bridge)
    const details = this.differencesOf(network, await this.links.observe(signal))
    if (details.length === 0 || bridge === undefined) return
    await this.ensureLinks(network, bridge.datapath, signal)
    await this.ensureMove(network, signal)
    this.log.info('underlay put right', { bridge: network.bridge, details })
  }

  private strays(observed: ObservedUnderlay): readonly UnderlayStray[] {
    const claimed = new Set([...this.claims].flat())
    return underlayStrays(observed, this.records, (link) => claimed.has(link))
  }

  private async putStrayRight(stray: UnderlayStray, signal: AbortSignal): Promise<void> {
    const { kind, name } = stray
    const strays = this.strays(await this.links.observe(signal))
    if (!strays.some((other) => other.kind === kind && other.name === name)) return
    await this.removeStray(stray, signal)
    this.log.info(`stray ${kind} put right`, { name })
  }

  private locked(link: string, work: () => Promise<void>): Promise<void> {
    return this.locks.run(lockKey.link(link), work)
  }

  private removeStray(stray: UnderlayStray, signal: AbortSignal): Promise<void> {
    switch (stray.kind) {
      case 'tunnel device':
        return this.links.removeVxlan(stray.name, stray.owner, signal)
      case 'guarded link':
        return this.links.releaseUplink(stray.name, signal)
      case 'moved addresses':
        return this.giveBack(stray.name, signal)
    }
  }

  /** What {@link reconcile} would put right, a line each. */
  async differences(signal: AbortSignal): Promise<readonly string[]> {
    const networks = this.records.networks().filter(hasUnderlay)
    if (networks.length === 0 && this.sweep.isDone) return []
    const observed = await this.links.observe(signal)
    return [
      ...networks.flatMap((network) => this.differencesOf(network, observed)),
      ...this.strays(observed).map(describeStray),
    ]
  }

  private differencesOf(network: NetworkRecord, observed: ObservedUnderlay): readonly string[] {
    const bridge = this.ovs.bridge(network.bridge)
    if (bridge === undefined) return []
    const device = vxlanDevice(network)
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

function refuseOwnAddress(peers: readonly string[], links: ObservedUnderlay['links']): void {
  const own = new Set([...links.values()].flatMap(({ addresses }) => addresses.map(plainAddress)))
  const self = peers.find((peer) => own.has(peer))
  if (self !== undefined) {
    throw DriverError.of('OPTION_EXCLUDES', ['ovs.bridge.peers', self, 'that is this host itself'])
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

function linksOf(network: NetworkRecord): readonly string[] {
  const device = vxlanDevice(network)
  return [...uplinkLinks(network), ...(device === undefined ? [] : [device.name])]
}

function hasUnderlay(network: NetworkRecord): boolean {
  return uplinkLinks(network).length > 0 || peersOf(network).length > 0
}

function uplinksOn(network: NetworkRecord, datapath: DatapathType): readonly UplinkLink[] {
  return uplinkLinks(network).map((name) => ({ name, bypassHostStack: datapath === 'netdev' }))
}

function union(known: readonly string[] = [], current: readonly string[]): readonly string[] {
  return [...new Set([...known, ...current])]
}
