import type { Blockade, FilteredNetwork, OtherFilters } from '../../driver/firewall'
import type { AddressFamily } from '../../driver/subnets'
import { familyOf, plainAddress } from '../../driver/subnets'
import { DriverError } from '../../errors'
import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'
import type { Chain, Listing } from './forwarding'
import { dropsForwarded, filtersForwarding } from './forwarding'

/** In iptables' own tables the driver's rules come first, and this one is the driver's. */
const WITH_DRIVERS_RULES: ReadonlySet<string> = new Set(['ip filter', 'ip6 filter', 'inet dovesnap'])

const FIREWALLD = 'inet firewalld'

/** Families of nftables' tables that see packets of an address family. */
const SEEN_BY: Readonly<Record<AddressFamily, ReadonlySet<string>>> = {
  ipv4: new Set(['inet', 'ip']),
  ipv6: new Set(['inet', 'ip6']),
}

/** {@link OtherFilters} among the tables of nftables: each has its own say, and what one drops no other can accept. */
export class NftablesTables implements OtherFilters {
  constructor(private readonly run: Run) {}

  async blockades(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly Blockade[]> {
    const leaving = networks.filter(({ internal }) => !internal)
    if (leaving.length === 0) return []
    const chains = (await this.list(['chains'], signal)).flatMap(({ chain }) => chain ?? [])
    const tables = new Map(chains.filter(filtersForwarding).map((chain) => [nameOf(chain), chain]))
    const blockades: Blockade[] = []
    for (const [name, { family, table }] of tables) {
      if (WITH_DRIVERS_RULES.has(name)) continue
      const listing = { nftables: await this.list(['table', family, table], signal) }
      for (const addresses of ['ipv4', 'ipv6'] as const) {
        if (!SEEN_BY[addresses].has(family)) continue
        const ways = await this.ways(addresses, signal)
        for (const { link, subnets } of leaving) {
          const sources = subnets.map(({ subnet }) => subnet).filter((subnet) => isOf(subnet, addresses))
          if (sources.length === 0 || blockades.some((blockade) => blockade.link === link)) continue
          if (!dropsForwarded(listing, { family: addresses, link, subnets: sources, ways })) continue
          blockades.push({ link, reason: reasonOf(name, link) })
        }
      }
    }
    return blockades
  }

  private async list(what: readonly string[], signal: AbortSignal): Promise<Listing['nftables']> {
    try {
      const { stdout } = await this.run('nft', ['--json', 'list', ...what], { signal })
      return (JSON.parse(stdout) as Listing).nftables
    } catch (error) {
      // A kernel without nftables, or a table that has gone meanwhile.
      if (error instanceof CommandError) return []
      throw error
    }
  }

  /** The links of the default routes. */
  private async ways(family: AddressFamily, signal: AbortSignal): Promise<readonly string[]> {
    const version = family === 'ipv4' ? '-4' : '-6'
    const { stdout } = await this.run('ip', ['-json', version, 'route', 'show', 'default'], { signal })
    const routes = JSON.parse(stdout === '' ? '[]' : stdout) as readonly Route[]
    return routes
      .flatMap(({ dev, nexthops = [] }) => [dev, ...nexthops.map((hop) => hop.dev)])
      .flatMap((dev) => dev ?? [])
  }
}

interface Route {
  readonly dev?: string
  readonly nexthops?: readonly { readonly dev?: string }[]
}

function nameOf({ family, table }: Chain): string {
  return `${family} ${table}`
}

function isOf(cidr: string, family: AddressFamily): boolean {
  return familyOf(plainAddress(cidr)) === family
}

function reasonOf(table: string, link: string): DriverError {
  return table === FIREWALLD
    ? DriverError.of('FIREWALLD_BLOCKS', [link])
    : DriverError.of('FILTER_BLOCKS', [link, table])
}
