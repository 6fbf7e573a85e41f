import type { FilteredNetwork, Firewall, PublishedPort } from '../../driver/firewall'
import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'

/** Of Docker Engine 29 and later with `"firewall-backend": "nftables"`. */
const DOCKER_TABLE = ['ip', 'docker-bridges'] as const

/**
 * {@link Firewall} where Docker's own rules are. That is looked up at every call, for at boot the plugin is there before
 * Docker has made any; what the other one had until then is removed.
 */
export class AutoFirewall implements Firewall {
  private current: Firewall

  constructor(
    private readonly run: Run,
    private readonly iptables: Firewall,
    private readonly nftables: Firewall,
  ) {
    this.current = iptables
  }

  async ensureNetwork(network: FilteredNetwork, signal: AbortSignal): Promise<void> {
    await (await this.choose(signal)).ensureNetwork(network, signal)
  }

  async removeNetwork(networkId: string, signal: AbortSignal): Promise<void> {
    await (await this.choose(signal)).removeNetwork(networkId, signal)
  }

  async publish(
    network: FilteredNetwork,
    ports: readonly PublishedPort[],
    signal: AbortSignal,
  ): Promise<void> {
    await (await this.choose(signal)).publish(network, ports, signal)
  }

  async unpublish(
    network: FilteredNetwork,
    ports: readonly PublishedPort[],
    signal: AbortSignal,
  ): Promise<void> {
    await (await this.choose(signal)).unpublish(network, ports, signal)
  }

  async differences(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]> {
    const chosen = (await this.isDockerOnNftables(signal)) ? this.nftables : this.iptables
    return chosen.differences(networks, signal)
  }

  async reconcile(networks: readonly FilteredNetwork[], signal: AbortSignal): Promise<readonly string[]> {
    return (await this.choose(signal)).reconcile(networks, signal)
  }

  private async choose(signal: AbortSignal): Promise<Firewall> {
    const chosen = (await this.isDockerOnNftables(signal)) ? this.nftables : this.iptables
    if (chosen !== this.current) {
      await this.current.reconcile([], signal)
      this.current = chosen
    }
    return chosen
  }

  private async isDockerOnNftables(signal: AbortSignal): Promise<boolean> {
    try {
      await this.run('nft', ['list', 'table', ...DOCKER_TABLE], { signal })
      return true
    } catch (error) {
      if (error instanceof CommandError) return false
      throw error
    }
  }
}
