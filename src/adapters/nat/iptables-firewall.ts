import type { FilteredNetwork, Firewall, PublishedPort } from '../../driver/firewall'
import type { AddressFamily } from '../../driver/subnets'
import { familyOf } from '../../driver/subnets'
import { DriverError, reasonOf } from '../../errors'
import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'
import type { Conntrack } from './conntrack'
import type { Plan } from './iptables-plan'
import type { LegacyCheck } from './legacy-tables'
import { planAll, planNetwork, planRemoval } from './iptables-plan'
import { acceptRule, hasFamily, networkChain, redirectRule } from './iptables-rules'
import type { Ruleset, TableName } from './ruleset'
import { parseRuleset } from './ruleset'

const FAMILIES = ['ipv4', 'ipv6'] as const

/** The tools of the variant that works on nftables; whoever mixes it with the legacy one filters twice. */
const TOOLS = { ipv4: 'iptables-nft', ipv6: 'ip6tables-nft' } as const

/** Of a family in which the kernel filters nothing yet. */
const NOTHING: Ruleset = { filter: new Map(), nat: new Map() }

/** How long iptables waits for another one to finish, in seconds. */
const LOCK_SECONDS = '5'

/**
 * {@link Firewall} in the tables of iptables, where Docker's own rules are: a packet that they drop nobody else can
 * accept. Chains of our own, loaded by iptables-restore, which changes all or nothing.
 */
export class IptablesFirewall implements Firewall {
  constructor(
    private readonly run: Run,
    private readonly conntrack: Conntrack,
    private readonly isLegacyInUse: LegacyCheck,
  ) {}

  async ensureNetwork(network: FilteredNetwork, signal: AbortSignal): Promise<void> {
    const attempt = `set up the packet filter of link ${network.link}`
    for (const family of FAMILIES) {
      if (!hasFamily(network, family)) continue
      const ruleset = await this.readIfThere(family, signal)
      await this.refuseLegacy(ruleset, signal)
      await this.apply(family, planNetwork(ruleset ?? NOTHING, network, family), attempt, signal)
    }
  }

  async removeNetwork(networkId: string, signal: AbortSignal): Promise<void> {
    const attempt = 'remove a packet filter'
    for (const family of FAMILIES) {
      const ruleset = await this.readIfThere(family, signal)
      if (ruleset === undefined) continue
      await this.apply(family, planRemoval(ruleset, networkId, family), attempt, signal)
    }
  }

  async publish(
    network: FilteredNetwork,
    ports: readonly PublishedPort[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.changePorts('-A', network, ports, signal)
    await this.conntrack.forgetBypassing(ports, signal)
  }

  async unpublish(
    network: FilteredNetwork,
    ports: readonly PublishedPort[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.changePorts('-D', network, ports, signal)
    await this.conntrack.forgetRedirected(ports, signal)
  }

  async differences(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]> {
    const plans = await Promise.all(FAMILIES.map((family) => this.planIfThere(family, networks, signal)))
    return plans.flatMap((plan) => plan?.differences ?? [])
  }

  async reconcile(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]> {
    const differences: string[] = []
    for (const family of FAMILIES) {
      const plan = await this.planIfThere(family, networks, signal)
      if (plan === undefined) continue
      await this.apply(family, plan, 'put the packet filter right', signal)
      differences.push(...plan.differences)
    }
    return differences
  }

  /** One rule a port and table. Where the chains are not as they were, the network's rules are made anew. */
  private async changePorts(
    verb: '-A' | '-D',
    network: FilteredNetwork,
    ports: readonly PublishedPort[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const family of FAMILIES) {
      const changed = ports.filter(({ containerAddress }) => familyOf(containerAddress) === family)
      if (changed.length === 0) continue
      const lines = (table: TableName, chain: string, rule: (port: PublishedPort) => string): string =>
        `*${table}\n${changed.map((port) => `${verb} ${chain} ${rule(port)}\n`).join('')}COMMIT\n`
      const text =
        lines('filter', networkChain('PUB', network.id), acceptRule) +
        lines('nat', networkChain('DNAT', network.id), redirectRule)
      try {
        await this.restore(family, text, signal)
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
        await this.ensureNetwork(network, signal)
      }
    }
  }

  private async apply(
    family: AddressFamily,
    plan: Plan,
    attempt: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (plan.text === '') return
    try {
      await this.restore(family, plan.text, signal)
    } catch (error) {
      throw failure(attempt, error)
    }
  }

  private async restore(family: AddressFamily, text: string, signal: AbortSignal): Promise<void> {
    await this.run(`${TOOLS[family]}-restore`, ['--noflush', '--wait', LOCK_SECONDS], { input: text, signal })
  }

  private async planIfThere(
    family: AddressFamily,
    networks: readonly FilteredNetwork[],
    signal: AbortSignal,
  ): Promise<Plan | undefined> {
    const ruleset = await this.readIfThere(family, signal)
    if (ruleset === undefined) return undefined
    // What an earlier time left is taken away wherever Docker's rules are now.
    if (networks.length > 0) await this.refuseLegacy(ruleset, signal)
    return planAll(ruleset, networks, family)
  }

  private async refuseLegacy(ruleset: Ruleset | undefined, signal: AbortSignal): Promise<void> {
    const hasDocker = ['DOCKER', 'DOCKER-USER'].some((name) => ruleset?.filter.has(name) === true)
    if (hasDocker || !(await this.isLegacyInUse(signal))) return
    const reason = "Docker's rules are in the legacy iptables, whose lock the plugin does not share"
    throw DriverError.of('FIREWALL_UNUSABLE', [reason])
  }

  /** `undefined` where the kernel filters nothing in this family: then nothing of ours is there. */
  private async readIfThere(family: AddressFamily, signal: AbortSignal): Promise<Ruleset | undefined> {
    try {
      return parseRuleset((await this.run(`${TOOLS[family]}-save`, [], { signal })).stdout)
    } catch (error) {
      if (error instanceof CommandError) return undefined
      throw error
    }
  }
}

function failure(attempt: string, error: unknown): unknown {
  if (!(error instanceof CommandError)) return error
  return DriverError.of('FIREWALL_FAILED', [attempt, error.stderr.trim() || reasonOf(error)], {
    cause: error,
  })
}
