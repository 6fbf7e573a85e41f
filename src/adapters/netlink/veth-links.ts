import type { Link, Links, VethPair } from '../../driver/links'
import { DriverError, reasonOf } from '../../errors'
import type { IngressGuard } from '../nat/ingress-guard'
import type { Run } from '../process/run'
import type { IpLink } from './ip'
import { failedBatchLine, IpCommand, kernelErrorCode } from './ip'

/** What the kernel allows and no command line misreads; 15 characters are its limit. */
const LINK_NAME = /^[A-Za-z0-9][\w.-]{0,14}$/
/** Within the kernel's 255 bytes, and nothing that `ip -batch` would take for a separator, quote or comment. */
const OWNER = /^[A-Za-z0-9][\w.:/-]{0,254}$/
const MAC_ADDRESS = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i

/** Taking back what a call made is bounded by this, not by the signal that ended the call. */
const UNDO_MS = 3_000

/** {@link Links} over iproute2, ethtool and nft. */
export class VethLinks implements Links {
  private readonly ip: IpCommand

  constructor(
    private readonly run: Run,
    private readonly guard: IngressGuard,
    private readonly deadline: (ms: number) => AbortSignal,
  ) {
    this.ip = new IpCommand(run)
  }

  async list(signal: AbortSignal): Promise<ReadonlyMap<string, Link>> {
    return attempt('*', signal, async () => {
      const guarded = await this.guard.guarded(signal)
      const links = await this.ip.links(signal)
      return new Map(links.map((link) => [link.ifname, toLink(link, guarded.has(link.ifname))]))
    })
  }

  async ensureVethPair(pair: VethPair, signal: AbortSignal): Promise<void> {
    checkPair(pair)
    await attempt(pair.hostLink, signal, async () => {
      const host = await this.ip.link(pair.hostLink, signal)
      if (host === undefined) await this.create(pair, signal)
      else if (host.ifalias === pair.owner) await this.repair(pair, host.link === pair.containerLink, signal)
      else throw DriverError.of('NAME_TAKEN', [pair.hostLink])
    })
  }

  async removeLink(name: string, owner: string, signal: AbortSignal): Promise<void> {
    checkName(name)
    await attempt(name, signal, async () => {
      const link = await this.ip.link(name, signal)
      if (link !== undefined && link.ifalias !== owner) throw DriverError.of('NAME_TAKEN', [name])
      if (link !== undefined) await this.ip.deleteLink(name, signal)
      // Either end may be the guarded one.
      await this.guard.remove(name, signal)
      if (link?.link !== undefined) await this.guard.remove(link.link, signal)
    })
  }

  async sweep(signal: AbortSignal): Promise<void> {
    await attempt('*', signal, async () => {
      // Guards first: a link made in between then has none in this list.
      const guards = await this.guard.known(signal)
      const links = new Set((await this.ip.links(signal)).map(({ ifname }) => ifname))
      for (const link of guards.filter((guarded) => !links.has(guarded)))
        await this.guard.remove(link, signal)
    })
  }

  private async create(pair: VethPair, signal: AbortSignal): Promise<void> {
    const { hostLink, containerLink, mtu, macAddress, owner } = pair
    try {
      // The owner mark comes next after the links: what a crash leaves in between nobody could claim.
      await this.batch(
        [
          `link add name ${hostLink} mtu ${mtu} type veth peer name ${containerLink} mtu ${mtu} address ${macAddress}`,
          `link set dev ${hostLink} alias ${owner}`,
          `link set dev ${containerLink} alias ${owner}`,
          `link set dev ${hostLink} up`,
        ],
        hostLink,
        signal,
      )
      if (!pair.transmitOffload) await this.setTransmitOffload(containerLink, false, signal)
      if (pair.bypassHostStack) await this.guard.ensure([hostLink], signal)
      signal.throwIfAborted()
    } catch (error) {
      if (failedBatchLine(error) !== 1) await this.undo(pair, error)
      else if (kernelErrorCode(error) === 'EEXIST') {
        const host = await this.ip.link(hostLink, signal)
        throw DriverError.of('NAME_TAKEN', [host === undefined ? containerLink : hostLink], { cause: error })
      }
      throw error
    }
  }

  private async repair(pair: VethPair, containerEndHere: boolean, signal: AbortSignal): Promise<void> {
    const { hostLink, containerLink, mtu, macAddress, owner } = pair
    const containerEnd = [
      `link set dev ${containerLink} mtu ${mtu} address ${macAddress}`,
      `link set dev ${containerLink} alias ${owner}`,
    ]
    await this.batch(
      [
        ...(containerEndHere ? containerEnd : []),
        `link set dev ${hostLink} mtu ${mtu}`,
        `link set dev ${hostLink} up`,
      ],
      hostLink,
      signal,
    )
    if (containerEndHere) await this.setTransmitOffload(containerLink, pair.transmitOffload, signal)
    if (pair.bypassHostStack) await this.guard.ensure([hostLink], signal)
    else await this.guard.remove(hostLink, signal)
  }

  /**
   * Runs a batch, and last takes from the host's end the IPv6 address that the kernel would give it: the link is the
   * switch's. Without IPv6 in the kernel, or below its least MTU (1280), there is no such address and no such setting.
   */
  private async batch(lines: readonly string[], hostLink: string, signal: AbortSignal): Promise<void> {
    try {
      await this.ip.batch([...lines, `link set dev ${hostLink} addrgenmode none`], signal)
    } catch (error) {
      if (kernelErrorCode(error) !== 'EAFNOSUPPORT') throw error
    }
  }

  /** Segmentation offload follows: the kernel turns it off where checksums are. The setting moves with the link. */
  private async setTransmitOffload(link: string, on: boolean, signal: AbortSignal): Promise<void> {
    await this.run('ethtool', ['-K', link, 'tx', on ? 'on' : 'off'], { signal })
  }

  /**
   * For a pair that was not there before: it is ours by its mark or, where it has none yet, by its other end. Fails
   * with both reasons where it cannot be taken back.
   */
  private async undo({ hostLink, containerLink, owner }: VethPair, cause: unknown): Promise<void> {
    const signal = this.deadline(UNDO_MS)
    try {
      const link = await this.ip.link(hostLink, signal)
      const made = link?.ifalias === owner || (link?.ifalias === undefined && link?.link === containerLink)
      if (!made) return
      await this.ip.deleteLink(hostLink, signal)
      await this.guard.remove(hostLink, signal)
    } catch (error) {
      throw new Error(`${reasonOf(cause)}; and it could not be taken back: ${reasonOf(error)}`, { cause })
    }
  }
}

function toLink(link: IpLink, bypassesHostStack: boolean): Link {
  return {
    name: link.ifname,
    mtu: link.mtu,
    macAddress: link.address ?? '',
    up: link.flags.includes('UP'),
    ...(link.ifalias === undefined ? {} : { owner: link.ifalias }),
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
