import type { AddressFamily } from '../../driver/subnets'
import { subnetsOverlap } from '../../driver/subnets'

/** Of a network's packets those that open a connection to the world beyond this host. */
export interface OutgoingPackets {
  readonly family: AddressFamily
  /** The link by which they come to the host. */
  readonly link: string
  /** Where they come from, in CIDR form. */
  readonly subnets: readonly string[]
  /** The links by which they may leave it. */
  readonly ways: readonly string[]
}

/** What `nft -j list table` prints (libnftables-json(5)), as far as it is of interest. */
export interface Listing {
  readonly nftables: readonly {
    readonly chain?: Chain
    readonly rule?: { readonly chain: string; readonly expr: readonly Expression[] }
    readonly set?: NamedSet
    readonly map?: NamedSet
  }[]
}

export interface Chain {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly type?: string
  readonly hook?: string
  readonly policy?: string
}

interface NamedSet {
  readonly name: string
  readonly elem?: readonly unknown[]
}

type Expression = Readonly<Record<string, unknown>>

/** What becomes of packets at a rule; nothing where it is not for them. */
type Step =
  | { readonly verdict: 'accept' | 'drop' | 'return' }
  | { readonly verdict: 'jump' | 'goto'; readonly target: string }
  | undefined

/** What is known of the packets at the left side of a match. */
interface Known {
  readonly values: readonly string[]
  readonly isIn: (value: string, element: unknown) => boolean
}

/** What nothing holds for: a field of packets of the other family. */
const NEVER = 'never'

/** Expressions by which no packet's way through a rule ends (libnftables-json(5)). */
const WITHOUT_SAY: ReadonlySet<string> = new Set(['counter', 'log', 'comment', 'mangle', 'notrack'])

export function filtersForwarding({ type, hook }: Chain): boolean {
  return type === 'filter' && hook === 'forward'
}

/**
 * Whether a table's chains at the forward hook drop the packets. A rule that asks for more than is known of them, such as
 * a port, is not for all of them, and is passed over. Pure.
 */
export function dropsForwarded(listing: Listing, packets: OutgoingPackets): boolean {
  const chains = listing.nftables.flatMap(({ chain }) => chain ?? [])
  const table = new Table(listing, packets)
  return chains
    .filter(filtersForwarding)
    .some(({ name, policy }) => (table.follow(name) ?? policy ?? 'accept') === 'drop')
}

class Table {
  private readonly rules = new Map<string, (readonly Expression[])[]>()
  private readonly sets: ReadonlyMap<string, readonly unknown[]>

  constructor(
    { nftables }: Listing,
    private readonly packets: OutgoingPackets,
  ) {
    for (const { rule } of nftables) {
      if (rule === undefined) continue
      const rules = this.rules.get(rule.chain) ?? []
      this.rules.set(rule.chain, [...rules, rule.expr])
    }
    this.sets = new Map(
      nftables.flatMap(({ set, map }) => {
        const named = set ?? map
        return named === undefined ? [] : [[`@${named.name}`, named.elem ?? []] as const]
      }),
    )
  }

  /** Nothing where the packets come out at the chain's end. The kernel lets no chain lead back to itself. */
  follow(chain: string): 'accept' | 'drop' | undefined {
    for (const rule of this.rules.get(chain) ?? []) {
      const step = this.step(rule)
      if (step === undefined) continue
      if (!('target' in step)) return step.verdict === 'return' ? undefined : step.verdict
      const end = this.follow(step.target)
      if (end !== undefined || step.verdict === 'goto') return end
    }
    return undefined
  }

  private step(rule: readonly Expression[]): Step {
    for (const expression of rule) {
      const step = stepOf(expression)
      if (step !== undefined) return step
      const { match, vmap } = expression
      if (vmap !== undefined) return this.lookUp(vmap as Expression)
      // Whatever else may stop a rule here, such as a rate that is not reached or what only iptables can read.
      const goesOn =
        match === undefined
          ? Object.keys(expression).every((name) => WITHOUT_SAY.has(name))
          : this.holds(match as Expression)
      if (!goesOn) return undefined
    }
    return undefined
  }

  private holds({ op, left, right }: Expression): boolean {
    const known = this.known(left)
    if (known === NEVER || known === undefined) return false
    const isIn = known.values.some((value) =>
      this.elements(right).some((element) => known.isIn(value, element)),
    )
    return op === '!=' ? !isIn : (op === '==' || op === 'in') && isIn
  }

  private lookUp({ key, data }: Expression): Step {
    const known = this.known(key)
    if (known === NEVER || known === undefined) return undefined
    for (const entry of this.elements(data)) {
      const [element, verdict] = Array.isArray(entry) ? (entry as readonly unknown[]) : []
      if (known.values.some((value) => known.isIn(value, element))) return stepOf(verdict as Expression)
    }
    return undefined
  }

  private elements(side: unknown): readonly unknown[] {
    const { set } = Object(side) as { readonly set?: unknown }
    const elements = typeof side === 'string' ? this.sets.get(side) : (set ?? side)
    return Array.isArray(elements) ? (elements as readonly unknown[]).map(withoutExtras) : [side]
  }

  private known(left: unknown): Known | typeof NEVER | undefined {
    const { meta, ct, payload } = left as Readonly<Record<string, Expression | undefined>>
    const { family, link, ways, subnets } = this.packets
    const protocol = family === 'ipv4' ? 'ip' : 'ip6'
    switch (meta?.['key']) {
      case 'iif':
      case 'iifname':
        return { values: [link], isIn: isLink }
      case 'oif':
      case 'oifname':
        return { values: ways, isIn: isLink }
      case 'nfproto':
        return { values: [family], isIn: Object.is }
      case 'protocol':
        return { values: [protocol], isIn: Object.is }
    }
    if (ct?.['key'] === 'state') return { values: ['new'], isIn: Object.is }
    if (payload === undefined) return undefined
    const isIP = payload['protocol'] === 'ip' || payload['protocol'] === 'ip6'
    if (isIP && payload['protocol'] !== protocol) return NEVER
    return isIP && payload['field'] === 'saddr' ? { values: subnets, isIn: isAddress } : undefined
  }
}

function stepOf({ accept, drop, reject, queue, jump, goto, ...rest }: Expression): Step {
  // What a program decides is not known to be dropped.
  if (accept !== undefined || queue !== undefined) return { verdict: 'accept' }
  if (drop !== undefined || reject !== undefined) return { verdict: 'drop' }
  if (rest['return'] !== undefined) return { verdict: 'return' }
  if (jump !== undefined) return { verdict: 'jump', target: targetOf(jump) }
  return goto === undefined ? undefined : { verdict: 'goto', target: targetOf(goto) }
}

/** An element may have a comment or a timeout. */
function withoutExtras(element: unknown): unknown {
  const { elem } = Object(element) as { readonly elem?: { readonly val: unknown } }
  return elem === undefined ? element : elem.val
}

function targetOf(verdict: unknown): string {
  return String((verdict as { readonly target: unknown }).target)
}

function isLink(link: string, element: unknown): boolean {
  // nft prints a name with a wildcard as a range without ends where it is one of a set.
  if (typeof element !== 'string') return true
  return element.endsWith('*') ? link.startsWith(element.slice(0, -1)) : link === element
}

function isAddress(subnet: string, element: unknown): boolean {
  const { prefix } = Object(element) as { readonly prefix?: { readonly addr: string; readonly len: number } }
  if (prefix !== undefined) return subnetsOverlap(subnet, `${prefix.addr}/${prefix.len}`)
  const bits = subnet.includes(':') ? 128 : 32
  return typeof element === 'string' && subnetsOverlap(subnet, `${element}/${bits}`)
}
