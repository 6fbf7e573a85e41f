import type { FilteredNetwork } from '../../driver/firewall'
import type { AddressFamily } from '../../driver/subnets'
import type { DesiredChain, DesiredJump } from './iptables-rules'
import {
  CHAIN_PREFIX,
  desiredJumps,
  DOCKER_ISOLATION,
  hasFamily,
  networkChainNames,
  networkChains,
  sharedChains,
} from './iptables-rules'
import type { Ruleset, Table, TableName } from './ruleset'

/** What brings a ruleset to where it shall be. */
export interface Plan {
  /** For iptables-restore --noflush; empty where nothing differs. */
  readonly text: string
  /** One readable line each. */
  readonly differences: readonly string[]
}

/** Lines of iptables-restore by table, in the order of their execution. */
type Lines = Record<TableName, string[]>

const DOCKER_USER = '-j DOCKER-USER'

const ENDS: ReadonlySet<string> = new Set(['ACCEPT', 'DROP', 'REJECT'])

/**
 * Compares a ruleset with what all the networks together shall have in it. Chains of ours that belong to no network are
 * removed; with no network left, so is everything that is ours.
 */
export function planAll(ruleset: Ruleset, networks: readonly FilteredNetwork[], family: AddressFamily): Plan {
  const ours = networks.filter((network) => hasFamily(network, family))
  const isolation = ruleset.filter.has(DOCKER_ISOLATION)
  const chains =
    ours.length === 0
      ? []
      : [...ours.flatMap((network) => networkChains(network, family, isolation)), ...sharedChains(ours)]
  const jumps = ours.length === 0 ? [] : desiredJumps(family)
  return plan(ruleset, chains, jumps, family, () => true)
}

/** As {@link planAll} for one network, whatever else of ours is there. */
export function planNetwork(ruleset: Ruleset, network: FilteredNetwork, family: AddressFamily): Plan {
  if (!hasFamily(network, family)) return { text: '', differences: [] }
  const isolation = ruleset.filter.has(DOCKER_ISOLATION)
  const shared = sharedChains([network]).map((chain) => ({
    ...chain,
    rules: [...new Set([...(ruleset[chain.table].get(chain.name) ?? []), ...chain.rules])],
  }))
  const chains = [...networkChains(network, family, isolation), ...shared]
  return plan(ruleset, chains, desiredJumps(family), family, () => false)
}

/** Removes one network; the last one takes all that is ours along. */
export function planRemoval(ruleset: Ruleset, networkId: string, family: AddressFamily): Plan {
  const own = networkChainNames(networkId)
  const shared = sharedChains([]).flatMap((chain) => {
    const present = ruleset[chain.table].get(chain.name)
    if (present === undefined) return []
    return [{ ...chain, rules: present.filter((rule) => !own.has(targetOf(rule))) }]
  })
  const isLast = shared.every(({ rules }) => rules.length === 0)
  return isLast
    ? planAll(ruleset, [], family)
    : plan(ruleset, shared, desiredJumps(family), family, (name) => own.has(name))
}

function targetOf(rule: string): string {
  return /-j (\S+)/.exec(rule)?.[1] ?? ''
}

function plan(
  ruleset: Ruleset,
  chains: readonly DesiredChain[],
  jumps: readonly DesiredJump[],
  family: AddressFamily,
  isUnwanted: (chain: string) => boolean,
): Plan {
  const before: Lines = { filter: [], nat: [] }
  const rules: Lines = { filter: [], nat: [] }
  const after: Lines = { filter: [], nat: [] }
  const differences: string[] = []
  for (const { table, name, rules: wanted, isOrdered } of chains) {
    const present = ruleset[table].get(name)
    if (present !== undefined && isSame(present, wanted, isOrdered)) continue
    differences.push(
      `${family} ${table} chain ${name} ${present === undefined ? 'is missing' : 'is not as it shall be'}`,
    )
    // A declaration makes the chain, and empties it where it is there.
    before[table].push(`:${name} - [0:0]`)
    rules[table].push(...wanted.map((rule) => `-A ${name} ${rule}`))
  }
  for (const table of ['filter', 'nat'] as const) {
    const wantedJumps = jumps.filter((jump) => jump.table === table)
    const misplaced = jumpLines(ruleset[table], wantedJumps)
    if (misplaced.length > 0)
      differences.push(`${family} ${table} jumps to the driver's chains are not as they shall be`)
    after[table].push(...misplaced)
    const wanted = new Set(chains.map(({ name }) => name))
    const unwanted = [...ruleset[table].keys()].filter(
      (name) => name.startsWith(CHAIN_PREFIX) && !wanted.has(name) && isUnwanted(name),
    )
    differences.push(...unwanted.map((name) => `${family} ${table} chain ${name} belongs to no network`))
    // Chains that others jump to cannot be deleted, so all are emptied first.
    after[table].push(...unwanted.map((name) => `-F ${name}`), ...unwanted.map((name) => `-X ${name}`))
  }
  const text = (['filter', 'nat'] as const)
    .map((table) => [...before[table], ...rules[table], ...after[table]].map((line) => `${line}\n`).join(''))
    .map((lines, index) => (lines === '' ? '' : `*${index === 0 ? 'filter' : 'nat'}\n${lines}COMMIT\n`))
    .join('')
  return { text, differences }
}

function isSame(present: readonly string[], wanted: readonly string[], isOrdered: boolean): boolean {
  if (present.length !== wanted.length) return false
  const [a, b] = isOrdered ? [present, wanted] : [present.toSorted(), wanted.toSorted()]
  return a.every((rule, index) => rule === b[index])
}

/** Takes every jump of ours out of a chain of others and puts the wanted ones in, where one is not where it shall be. */
function jumpLines(table: Table, jumps: readonly DesiredJump[]): readonly string[] {
  const chains = new Set([...jumps.map(({ chain }) => chain), ...table.keys()])
  return [...chains].flatMap((chain) => {
    if (chain.startsWith(CHAIN_PREFIX)) return []
    const rules = table.get(chain) ?? []
    const wanted = jumps.filter((jump) => jump.chain === chain)
    const present = rules.filter((rule) => rule.includes(`-j ${CHAIN_PREFIX}`))
    if (isInPlace(table, rules, present, wanted)) return []
    const others = rules.filter((rule) => !present.includes(rule))
    const early = others.lastIndexOf(DOCKER_USER) + 1
    const end = endOf(table, others)
    const lines = wanted.map(({ rule, isEarly }, index) => {
      const before = isEarly ? early : end
      return before < others.length || isEarly
        ? `-I ${chain} ${before + index + 1} ${rule}`
        : `-A ${chain} ${rule}`
    })
    return [...present.map((rule) => `-D ${chain} ${rule}`), ...lines]
  })
}

function isInPlace(
  table: Table,
  rules: readonly string[],
  present: readonly string[],
  wanted: readonly DesiredJump[],
): boolean {
  if (
    !isSame(
      present,
      wanted.map(({ rule }) => rule),
      true,
    )
  )
    return false
  const others = rules.filter((rule) => !present.includes(rule))
  const early = wanted.filter(({ isEarly }) => isEarly).map(({ rule }) => rule)
  const start = others.lastIndexOf(DOCKER_USER) + 1
  const end = endOf(table, rules)
  return (
    early.every((rule, index) => rules[start + index] === rule) &&
    wanted.every(({ rule, isEarly }) => isEarly || rules.indexOf(rule) < end)
  )
}

/**
 * How many of a chain's rules can be reached: none behind one by which every packet's way ends. firewalld on iptables
 * accepts in the table nat all that comes to its own chains, and Docker and others append theirs behind the jumps to them.
 */
function endOf(table: Table, rules: readonly string[]): number {
  const end = rules.findIndex((rule) => endsEveryWay(table, rule))
  return end < 0 ? rules.length : end
}

/** Others' addresses for all packets (SNAT, MASQUERADE) are no end: where they come first they are meant to. */
function endsEveryWay(table: Table, rule: string): boolean {
  const [, target = ''] = /^-[jg] (\S+)/.exec(rule) ?? []
  if (ENDS.has(target)) return true
  const rules = table.get(target) ?? []
  const end = rules.findIndex((inner) => endsEveryWay(table, inner))
  return end >= 0 && !rules.slice(0, end).some((inner) => /-j RETURN|-g /.test(inner))
}
