import type { FilteredNetwork, Firewall, PublishedPort } from '../../driver/firewall'
import { DriverError, reasonOf } from '../../errors'
import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'
import type { Conntrack } from './conntrack'
import type { Element } from './nftables-rules'
import {
  acceptElement,
  baseCommands,
  elementCommands,
  networkCommands,
  networkElements,
  redirectElement,
  TABLE,
} from './nftables-rules'

/**
 * {@link Firewall} in an nftables table of our own, for hosts where nobody drops forwarded packets by policy: what
 * another table drops, ours cannot accept.
 *
 * What was loaded last is remembered together with what nft then printed, for comparison only: nft prints rules in
 * another form than it reads them.
 */
export class NftablesFirewall implements Firewall {
  private readonly loaded = new Map<string, FilteredNetwork>()
  private printed: string | undefined

  constructor(
    private readonly run: Run,
    private readonly conntrack: Conntrack,
  ) {}

  async ensureNetwork(network: FilteredNetwork, signal: AbortSignal): Promise<void> {
    await this.refuseDroppingPolicy(signal)
    this.loaded.set(network.id, network)
    const attempt = `set up the packet filter of link ${network.link}`
    await this.replace(attempt, [...baseCommands(), ...commandsOf(network)], signal)
  }

  async removeNetwork(networkId: string, signal: AbortSignal): Promise<void> {
    // Of networks that another process loaded only reconcile knows, which comes first thing and removes this one too.
    if (this.printed === undefined) return
    this.loaded.delete(networkId)
    await this.reload('remove a packet filter', signal)
  }

  async publish(
    network: FilteredNetwork,
    ports: readonly PublishedPort[],
    signal: AbortSignal,
  ): Promise<void> {
    await this.changeElements(network, 'add', elementsOf(network, ports), signal)
    await this.conntrack.forgetBypassing(ports, signal)
  }

  async unpublish(
    network: FilteredNetwork,
    ports: readonly PublishedPort[],
    signal: AbortSignal,
  ): Promise<void> {
    const kept = new Set(elementsOf(network, network.published).map(keyOf))
    const gone = elementsOf(network, ports).filter((element) => !kept.has(keyOf(element)))
    await this.changeElements(network, 'delete', gone, signal)
    await this.conntrack.forgetRedirected(ports, signal)
  }

  async differences(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]> {
    const printed = await this.print(signal)
    if (networks.length === 0 && printed === undefined) return []
    if (printed !== this.printed) {
      return [`table ${TABLE} is ${printed === undefined ? 'missing' : 'not as it shall be'}`]
    }
    return this.isLoaded(networks) ? [] : [`table ${TABLE} holds other networks than those recorded`]
  }

  async reconcile(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]> {
    const differences = await this.differences(networks, signal)
    if (differences.length === 0) return []
    this.loaded.clear()
    for (const network of networks) this.loaded.set(network.id, network)
    await this.reload('put the packet filter right', signal)
    return differences
  }

  private isLoaded(networks: readonly FilteredNetwork[]): boolean {
    return (
      networks.length === this.loaded.size &&
      networks.every((network) => JSON.stringify(this.loaded.get(network.id)) === JSON.stringify(network))
    )
  }

  /** One element a port and map. Where the table is not as it was, it is loaded anew. */
  private async changeElements(
    network: FilteredNetwork,
    verb: 'add' | 'delete',
    elements: readonly Element[],
    signal: AbortSignal,
  ): Promise<void> {
    this.loaded.set(network.id, network)
    if (elements.length === 0) return
    try {
      await this.load(elementCommands(verb, unique(elements)), signal)
      this.printed = await this.print(signal)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      await this.reload('publish ports', signal)
    }
  }

  /** Replaces the table in one transaction; with no network left, it goes. */
  private async reload(attempt: string, signal: AbortSignal): Promise<void> {
    const networks = [...this.loaded.values()]
    const content = networks.length === 0 ? [] : [...baseCommands(), ...networks.flatMap(commandsOf)]
    await this.replace(attempt, [`add table ${TABLE}`, `delete table ${TABLE}`, ...content], signal)
  }

  private async replace(attempt: string, commands: readonly string[], signal: AbortSignal): Promise<void> {
    try {
      await this.load(commands, signal)
      this.printed = await this.print(signal)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      throw DriverError.of('FIREWALL_FAILED', [attempt, error.stderr.trim() || reasonOf(error)], {
        cause: error,
      })
    }
  }

  private async load(commands: readonly string[], signal: AbortSignal): Promise<void> {
    await this.run('nft', ['-f', '-'], { input: commands.map((command) => `${command}\n`).join(''), signal })
  }

  /** `undefined` where the table is not there. */
  private async print(signal: AbortSignal): Promise<string | undefined> {
    try {
      return (await this.run('nft', ['--stateless', 'list', 'table', ...TABLE.split(' ')], { signal })).stdout
    } catch (error) {
      if (error instanceof CommandError) return undefined
      throw error
    }
  }

  private async refuseDroppingPolicy(signal: AbortSignal): Promise<void> {
    for (const family of ['ip', 'ip6']) {
      const text = await this.run('nft', ['list', 'chain', family, 'filter', 'FORWARD'], { signal }).then(
        ({ stdout }) => stdout,
        () => '',
      )
      if (!/hook forward .*policy drop/.test(text)) continue
      const reason = `the chain FORWARD of iptables drops by policy what it does not accept itself (${family})`
      throw DriverError.of('FIREWALL_UNUSABLE', [`${reason}, so set FIREWALL=iptables`])
    }
  }
}

function commandsOf(network: FilteredNetwork): readonly string[] {
  const published = network.internal ? [] : unique(elementsOf(network, network.published))
  return [...networkCommands(network), ...elementCommands('add', [...networkElements(network), ...published])]
}

function elementsOf(network: FilteredNetwork, ports: readonly PublishedPort[]): readonly Element[] {
  return ports.flatMap((port) => [redirectElement(port), acceptElement(network.id, port)])
}

function unique(elements: readonly Element[]): readonly Element[] {
  return [...new Map(elements.map((element) => [keyOf(element), element])).values()]
}

function keyOf({ container, text }: Element): string {
  return `${container} ${text}`
}
