import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'

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
 *
 * Link names must have been validated: they become part of nft's input.
 */
export class IngressGuard {
  constructor(
    private readonly run: Run,
    /** A table of the family `netdev` that is nobody else's. */
    private readonly table: string,
  ) {}

  /**
   * Idempotent and atomic: guards all of the links or, where one does not exist, none.
   *
   * @throws CommandError
   */
  async ensure(links: readonly string[], signal: AbortSignal): Promise<void> {
    const chains = links.map(
      (link) =>
        `add chain netdev ${this.table} ${CHAIN_PREFIX}${link} ` +
        `{ type filter hook ingress device "${link}" priority ${PRIORITY}; policy drop; }`,
    )
    await this.load([`add table netdev ${this.table}`, ...chains], signal)
  }

  /**
   * Idempotent. The link may be gone. Asks first: a transaction that fails costs as much as one that removes, about
   * 14 ms in the kernel.
   *
   * @throws CommandError
   */
  async remove(link: string, signal: AbortSignal): Promise<void> {
    if (!(await this.hasChain(link, signal))) return
    try {
      await this.load([`delete chain netdev ${this.table} ${CHAIN_PREFIX}${link}`], signal)
    } catch (error) {
      if (await this.hasChain(link, signal)) throw error
    }
  }

  /**
   * The links whose guard is in place. Where netfilter cannot be asked nothing can be guarded either, and `ensure`
   * tells why.
   */
  async guarded(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const chains = await this.chains(signal)
    return new Set([...chains].filter(([, effective]) => effective).map(([link]) => link))
  }

  /** The links that have a chain, existing or not, in effect or not. */
  async known(signal: AbortSignal): Promise<readonly string[]> {
    return [...(await this.chains(signal)).keys()]
  }

  private async load(lines: readonly string[], signal: AbortSignal): Promise<void> {
    await this.run('nft', ['-f', '-'], { input: `${lines.join('\n')}\n`, signal })
  }

  private async hasChain(link: string, signal: AbortSignal): Promise<boolean> {
    return (await this.list(['chain', 'netdev', this.table, `${CHAIN_PREFIX}${link}`], signal)) !== undefined
  }

  /** Whether the chain is in effect, by link. */
  private async chains(signal: AbortSignal): Promise<ReadonlyMap<string, boolean>> {
    const table = await this.list(['table', 'netdev', this.table], signal)
    return table === undefined ? new Map() : parseChains(table)
  }

  /** `undefined` where there is no such thing, or no netfilter that could have it. */
  private async list(what: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    try {
      return (await this.run('nft', ['list', ...what], { signal })).stdout
    } catch (error) {
      if (error instanceof CommandError) return undefined
      throw error
    }
  }
}

const CHAIN = new RegExp(`^\\tchain ${CHAIN_PREFIX}(\\S+) \\{\\n([^}]*)\\}$`, 'gm')

/** Its JSON does not tell the link before nft 1.1; its text always does. */
function parseChains(text: string): ReadonlyMap<string, boolean> {
  const chains = new Map<string, boolean>()
  for (const [, link = '', body = ''] of text.matchAll(CHAIN)) {
    chains.set(
      link,
      body.trim() === `type filter hook ingress device "${link}" priority ${PRIORITY}; policy drop;`,
    )
  }
  return chains
}
