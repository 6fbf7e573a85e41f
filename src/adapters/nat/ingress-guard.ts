import { neverAborts } from '../../clock'
import { failureOf } from '../../errors'
import { Batcher } from '../batcher'
import type { NetlinkRequest } from '../netlink/messages'
import { attribute, decodeAttributes, int32BigEndian, NLM, text, textOf } from '../netlink/messages'
import type { NetlinkSocket } from '../netlink/socket'
import { NetlinkError, throwRefusal, unlessAborted } from '../netlink/socket'

/** linux/netfilter/nfnetlink.h and nf_tables.h. */
const BATCH = { BEGIN: 0x10, END: 0x11 } as const
const NF_TABLES = 10
const NEW_TABLE = NF_TABLES << 8
const NEW_CHAIN = (NF_TABLES << 8) | 3
const GET_CHAIN = (NF_TABLES << 8) | 4
const DELETE_CHAIN = (NF_TABLES << 8) | 5
const TABLE_NAME = 1
const CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, POLICY: 5, TYPE: 7 } as const
const HOOK = { NUMBER: 1, PRIORITY: 2, DEVICE: 3 } as const
const FAMILY_NETDEV = 5
const HOOK_INGRESS = 0
const POLICY_DROP = 0

const NFGENMSG_BYTES = 4

/** Before every other ingress filter, so that none of them sees what is not the host's. */
const PRIORITY = -500

/**
 * A prefix keeps chain names apart from nft's keywords and lets link names begin with a digit; with the prefix a chain
 * tells its link even when it no longer holds one.
 */
const CHAIN_PREFIX = 'guard-'

/**
 * Keeps the host's own network stack from seeing what arrives on a link: a chain that drops everything at the netdev
 * ingress hook, which comes after packet sockets (a userspace switch) and before the stack. A kernel datapath would
 * come after the hook as well, and must not be guarded.
 *
 * One chain per link: kernels before 6.4 cannot change the links of a chain. With the link's end kernels before 6.4
 * remove the chain, later ones keep it, and from 6.16 on it takes effect again on the next link of that name.
 */
export class IngressGuard {
  private readonly guarding = new Batcher<Asked, Error | undefined>(
    (batch) => this.guardTogether(batch),
    ROOM,
  )
  private readonly releasing = new Batcher<Asked, undefined>((batch) => this.releaseTogether(batch), ROOM)

  constructor(
    /** Of the netfilter family. */
    private readonly socket: NetlinkSocket,
    /** A table of the family `netdev` that is nobody else's. */
    private readonly table: string,
  ) {}

  /**
   * Idempotent and atomic: guards all of the links or, where one does not exist, none. What waits at the same moment
   * goes as one transaction of the kernel's, whose cost is the same for any number.
   *
   * @throws NetlinkError
   */
  async ensure(links: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const failure = await unlessAborted(this.guarding.run({ links, signal }), signal)
    if (failure !== undefined) throw failure
  }

  /** What failed, for each: one that the kernel refuses fails the transaction, and not the others. */
  private async guardTogether(batch: readonly Asked[]): Promise<readonly (Error | undefined)[]> {
    const failure = await failureOf(this.guardAll(batch.flatMap(stillWanted)))
    if (failure === undefined || batch.length === 1) return batch.map(() => failure)
    const failures: (Error | undefined)[] = []
    for (const asked of batch) failures.push(await failureOf(this.guardAll(stillWanted(asked))))
    return failures
  }

  private async guardAll(links: readonly string[]): Promise<void> {
    if (links.length === 0) return
    const table = request(NEW_TABLE, NLM.ACK | NLM.CREATE, attribute(TABLE_NAME, text(this.table)))
    const chains = links.map((link) =>
      request(
        NEW_CHAIN,
        NLM.ACK | NLM.CREATE,
        ...this.named(link),
        attribute(
          CHAIN.HOOK,
          attribute(HOOK.NUMBER, int32BigEndian(HOOK_INGRESS)),
          attribute(HOOK.PRIORITY, int32BigEndian(PRIORITY)),
          attribute(HOOK.DEVICE, text(link)),
        ),
        attribute(CHAIN.POLICY, int32BigEndian(POLICY_DROP)),
        attribute(CHAIN.TYPE, text('filter')),
      ),
    )
    await this.change([table, ...chains])
  }

  /**
   * Idempotent. The links may be gone. What waits at the same moment goes together.
   *
   * @throws NetlinkError
   */
  async remove(links: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await unlessAborted(this.releasing.run({ links, signal }), signal)
  }

  private async releaseTogether(batch: readonly Asked[]): Promise<readonly undefined[]> {
    await this.releaseAll(batch.flatMap(({ links }) => links))
    return batch.map(() => undefined)
  }

  /** Asks first: a change that fails costs as much as one that removes, about 14 ms in the kernel. */
  private async releaseAll(links: readonly string[]): Promise<void> {
    const present = await this.present(links)
    if (present.length === 0) return
    try {
      await this.change(present.map((link) => request(DELETE_CHAIN, NLM.ACK, ...this.named(link))))
    } catch (error) {
      // One may have gone with its link just now.
      const left = await this.present(present)
      if (left.length === present.length) throw error
      await this.releaseAll(left)
    }
  }

  /**
   * The links whose guard is in place. Where netfilter cannot be asked nothing can be guarded either, and `ensure`
   * tells why.
   */
  async guarded(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const chains = await this.chains(signal)
    return new Set(chains.flatMap(({ link, isEffective }) => (isEffective ? [link] : [])))
  }

  /** As {@link guarded}, for one link. */
  async isGuarded(link: string, signal: AbortSignal): Promise<boolean> {
    return (await this.chainsOf([link], signal)).some(({ isEffective }) => isEffective)
  }

  /** The links that have a chain, existing or not, in effect or not. */
  async known(signal: AbortSignal): Promise<readonly string[]> {
    return (await this.chains(signal)).map(({ link }) => link)
  }

  private named(link: string): readonly Buffer[] {
    return [attribute(CHAIN.TABLE, text(this.table)), attribute(CHAIN.NAME, text(CHAIN_PREFIX + link))]
  }

  private async change(steps: readonly NetlinkRequest[]): Promise<void> {
    const requests = [batchEdge(BATCH.BEGIN), ...steps, batchEdge(BATCH.END)]
    throwRefusal(await this.socket.exchange(requests, neverAborts()))
  }

  private async present(links: readonly string[]): Promise<readonly string[]> {
    const present = new Set((await this.chainsOf(links, neverAborts())).map(({ link }) => link))
    return links.filter((link) => present.has(link))
  }

  private async chainsOf(links: readonly string[], signal: AbortSignal): Promise<readonly Chain[]> {
    if (links.length === 0) return []
    const requests = links.map((link) => request(GET_CHAIN, NLM.ACK, ...this.named(link)))
    return this.read(requests, signal)
  }

  private async chains(signal: AbortSignal): Promise<readonly Chain[]> {
    const chains = await this.read([request(GET_CHAIN, NLM.DUMP)], signal)
    return chains.filter(({ table }) => table === this.table)
  }

  /** Empty where there is no such thing, or no netfilter that could have it. */
  private async read(requests: readonly NetlinkRequest[], signal: AbortSignal): Promise<readonly Chain[]> {
    try {
      const answers = await this.socket.exchange(requests, signal)
      return answers.flatMap(({ objects, error }) =>
        error === undefined ? objects.flatMap(decodeChain) : [],
      )
    } catch (error) {
      if (error instanceof NetlinkError) return []
      throw error
    }
  }
}

/** Links whose guards are asked for or given up; by whom, until `signal` aborts. */
interface Asked {
  readonly links: readonly string[]
  readonly signal: AbortSignal
}

/** Links. The kernel's answers wait together in the socket's buffer of 208 KiB, where each occupies about one. */
const ROOM = { total: 64, sizeOf: ({ links }: Asked): number => links.length }

const stillWanted = ({ links, signal }: Asked): readonly string[] => (signal.aborted ? [] : links)

interface Chain {
  readonly table: string
  readonly link: string
  readonly isEffective: boolean
}

/** A `struct nfgenmsg` and attributes. */
const request = (type: number, flags: number, ...attributes: readonly Buffer[]): NetlinkRequest => ({
  type,
  flags: NLM.REQUEST | flags,
  payload: Buffer.concat([Buffer.from([FAMILY_NETDEV, 0, 0, 0]), ...attributes]),
})

/** What is between the two edges of a batch happens as a whole or not at all. */
const batchEdge = (type: number): NetlinkRequest => ({
  type,
  flags: NLM.REQUEST,
  payload: Buffer.from([0, 0, NF_TABLES >> 8, NF_TABLES & 0xff]),
})

/** A chain of ours; nothing for any other. */
function decodeChain(payload: Buffer): readonly Chain[] {
  const attributes = decodeAttributes(payload, NFGENMSG_BYTES)
  const name = textOf(attributes.get(CHAIN.NAME)) ?? ''
  if (!name.startsWith(CHAIN_PREFIX)) return []
  const link = name.slice(CHAIN_PREFIX.length)
  const hook = attributes.get(CHAIN.HOOK)
  const hooked = hook === undefined ? undefined : decodeAttributes(hook)
  const isEffective =
    hooked?.get(HOOK.NUMBER)?.readInt32BE(0) === HOOK_INGRESS &&
    hooked.get(HOOK.PRIORITY)?.readInt32BE(0) === PRIORITY &&
    textOf(hooked.get(HOOK.DEVICE)) === link &&
    attributes.get(CHAIN.POLICY)?.readInt32BE(0) === POLICY_DROP
  return [{ table: textOf(attributes.get(CHAIN.TABLE)) ?? '', link, isEffective }]
}
