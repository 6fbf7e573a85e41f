import type { Link, Links, RateLimits, VethPair } from '../../driver/links'
import { DriverError, reasonOf } from '../../errors'
import type { IngressGuard } from '../nat/ingress-guard'
import type { Run } from '../process/run'
import { IpCommand } from './ip'
import type { LinkRow } from './link-messages'
import { NO_GROUP } from './link-messages'
import type { LinkTable } from './link-table'
import { NetlinkError } from './socket'

/** What the kernel allows and no command line misreads; 15 characters are its limit. */
const LINK_NAME = /^[A-Za-z0-9][\w.-]{0,14}$/
/** Within the kernel's 255 bytes, and nothing that `ip -batch` would take for a separator, quote or comment. */
const OWNER = /^[A-Za-z0-9][\w.:/-]{0,254}$/
const MAC_ADDRESS = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i

/** What the kernel calls the local and internal ports of its own datapath (rtnetlink(7), IFLA_INFO_KIND). */
const INTERNAL_PORT = 'openvswitch'
const KERNEL_DATAPATH = 'ovs-system'

/** Taking back what a call made is bounded by this, not by the signal that ended the call. */
const UNDO_MS = 3_000

/** {@link Links} over netlink; ethtool and tc where an option asks for more. */
export class VethLinks implements Links {
  private readonly ip: IpCommand

  constructor(
    private readonly table: LinkTable,
    private readonly guard: IngressGuard,
    private readonly run: Run,
    private readonly deadline: (ms: number) => AbortSignal,
  ) {
    this.ip = new IpCommand(run)
  }

  async list(signal: AbortSignal): Promise<ReadonlyMap<string, Link>> {
    return attempt('*', signal, async () => {
      const guarded = await this.guard.guarded(signal)
      const links = await this.table.list(signal)
      return new Map(links.map((link) => [link.name, toLink(link, guarded.has(link.name))]))
    })
  }

  async find(name: string, signal: AbortSignal): Promise<Link | undefined> {
    checkName(name)
    return attempt(name, signal, async () => {
      const link = await this.table.find({ name }, signal)
      return link === undefined ? undefined : toLink(link, await this.guard.isGuarded(name, signal))
    })
  }

  async ensureVethPair(pair: VethPair, signal: AbortSignal): Promise<void> {
    checkPair(pair)
    await attempt(pair.hostLink, signal, async () => {
      const host = await this.table.find({ name: pair.hostLink }, signal)
      if (host === undefined) await this.create(pair, signal)
      else if (host.alias === pair.owner)
        await this.repair(pair, await this.isPeerHere(host, pair, signal), signal)
      else throw DriverError.of('NAME_TAKEN', [pair.hostLink])
    })
  }

  async rateLimits(name: string, signal: AbortSignal): Promise<RateLimits> {
    checkName(name)
    return attempt(name, signal, async () => {
      const qdiscs = await this.run('tc', ['qdisc', 'show', 'dev', name], { signal })
      const filters = await this.run('tc', ['filter', 'show', 'dev', name, 'ingress'], { signal })
      return { ingress: filters.stdout.includes('police'), egress: qdiscs.stdout.includes('htb') }
    })
  }

  async removeLink(name: string, owner: string, signal: AbortSignal): Promise<void> {
    checkName(name)
    await attempt(name, signal, async () => {
      const link = await this.table.find({ name }, signal)
      if (link !== undefined && link.alias !== owner) throw DriverError.of('NAME_TAKEN', [name])
      const peer =
        link?.peerIndex === undefined ? undefined : await this.table.find({ index: link.peerIndex }, signal)
      // Side by side, for each waits in the kernel. Either end may be the guarded one.
      await Promise.all([
        link === undefined ? undefined : this.table.remove(link.index, signal),
        this.guard.remove(peer === undefined ? [name] : [name, peer.name], signal),
      ])
    })
  }

  async removeUnheldDevice(name: string, signal: AbortSignal): Promise<void> {
    checkName(name)
    await attempt(name, signal, async () => {
      const link = await this.table.find({ name }, signal)
      if (link === undefined) return
      if (link.kind === INTERNAL_PORT) await this.deleteInternalPort(name, signal)
      else await this.ip.deleteUnheldTap(name, signal)
    })
  }

  /** An ovs-vswitchd whose database has no bridge of the kernel's datapath does not look at what is left in there. */
  private async deleteInternalPort(name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.run('ovs-dpctl', ['del-if', KERNEL_DATAPATH, name], { signal })
    } catch (error) {
      if ((await this.table.find({ name }, signal)) !== undefined) throw error
    }
  }

  async sweep(signal: AbortSignal): Promise<void> {
    await attempt('*', signal, async () => {
      // Guards first: a link made in between then has none in this list.
      const guards = await this.guard.known(signal)
      const links = new Set((await this.table.list(signal)).map(({ name }) => name))
      await this.guard.remove(
        guards.filter((guarded) => !links.has(guarded)),
        signal,
      )
    })
  }

  private async create(pair: VethPair, signal: AbortSignal): Promise<void> {
    const { hostLink, containerLink, mtu, macAddress, owner } = pair
    try {
      await this.table.add(
        { kind: 'veth', name: hostLink, peer: containerLink, mtu, macAddress, alias: owner },
        signal,
      )
    } catch (error) {
      if (error instanceof NetlinkError && error.code === 'EEXIST') {
        const host = await this.table.find({ name: hostLink }, signal)
        throw DriverError.of('NAME_TAKEN', [host === undefined ? containerLink : hostLink], { cause: error })
      }
      if (signal.aborted) await this.undo(pair, error)
      throw error
    }
    try {
      await this.table.set(
        [
          { name: containerLink, group: NO_GROUP },
          { name: hostLink, group: NO_GROUP, withoutIPv6Address: true, up: true },
        ],
        signal,
      )
      if (!pair.transmitOffload) await this.setTransmitOffload(containerLink, false, signal)
      if (pair.bypassHostStack) await this.guard.ensure([hostLink], signal)
      signal.throwIfAborted()
    } catch (error) {
      await this.undo(pair, error)
      throw error
    }
  }

  private async repair(pair: VethPair, isContainerEndHere: boolean, signal: AbortSignal): Promise<void> {
    const { hostLink, containerLink, mtu, macAddress, owner } = pair
    await this.table.set(
      [
        ...(isContainerEndHere
          ? [{ name: containerLink, mtu, macAddress, alias: owner, group: NO_GROUP }]
          : []),
        // The switch's alone: the kernel shall give the host's end no address.
        { name: hostLink, mtu, group: NO_GROUP, withoutIPv6Address: true, up: true },
      ],
      signal,
    )
    if (isContainerEndHere) await this.setTransmitOffload(containerLink, pair.transmitOffload, signal)
    if (pair.bypassHostStack) await this.guard.ensure([hostLink], signal)
    else await this.guard.remove([hostLink], signal)
  }

  /** Whether the link of the container end's name is this pair's other end. */
  private async isPeerHere(host: LinkRow, pair: VethPair, signal: AbortSignal): Promise<boolean> {
    if (host.peerIndex === undefined) return false
    return (await this.table.find({ index: host.peerIndex }, signal))?.name === pair.containerLink
  }

  /** Segmentation offload follows: the kernel turns it off where checksums are. The setting moves with the link. */
  private async setTransmitOffload(link: string, on: boolean, signal: AbortSignal): Promise<void> {
    await this.run('ethtool', ['-K', link, 'tx', on ? 'on' : 'off'], { signal })
  }

  /** For a pair that was not there before. Fails with both reasons where it cannot be taken back. */
  private async undo({ hostLink, owner }: VethPair, cause: unknown): Promise<void> {
    const signal = this.deadline(UNDO_MS)
    try {
      const link = await this.table.find({ name: hostLink }, signal)
      if (link?.alias !== owner) return
      await this.table.remove(link.index, signal)
      await this.guard.remove([hostLink], signal)
    } catch (error) {
      throw new Error(`${reasonOf(cause)}; and it could not be taken back: ${reasonOf(error)}`, { cause })
    }
  }
}

function toLink(link: LinkRow, bypassesHostStack: boolean): Link {
  return {
    name: link.name,
    mtu: link.mtu,
    macAddress: link.macAddress ?? '',
    up: link.up,
    ...(link.alias === undefined ? {} : { owner: link.alias }),
    bypassesHostStack,
  }
}

/** Gives every failure the form that the driver's callers are promised. */
async function attempt<T>(link: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof DriverError) throw error
    throw DriverError.of('LINK_FAILED', [link, reasonOf(error)], { cause: error })
  }
}

function checkPair(pair: VethPair): void {
  checkName(pair.hostLink)
  checkName(pair.containerLink)
  check(pair.hostLink, OWNER.test(pair.owner), `bad owner mark ${JSON.stringify(pair.owner)}`)
  check(
    pair.hostLink,
    MAC_ADDRESS.test(pair.macAddress),
    `bad MAC address ${JSON.stringify(pair.macAddress)}`,
  )
  check(pair.hostLink, Number.isInteger(pair.mtu) && pair.mtu > 0, `bad MTU ${pair.mtu}`)
}

function checkName(name: string): void {
  check(JSON.stringify(name), LINK_NAME.test(name), 'not a link name')
}

function check(link: string, valid: boolean, reason: string): void {
  if (!valid) throw DriverError.of('LINK_FAILED', [link, reason])
}
