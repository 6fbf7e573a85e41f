import type { PublishedPort } from '../../driver/firewall'
import { familyOf } from '../../driver/subnets'
import { CommandError } from '../process/command-error'
import type { Run } from '../process/run'

/**
 * What the kernel remembers of flows. The NAT rules are asked for a flow's first packet only, and a UDP flow has no end
 * by which it would be forgotten: who keeps sending from one port would go on to where the rules once said.
 */
export class Conntrack {
  constructor(private readonly run: Run) {}

  /** For ports that are redirected from now on: flows to them that were not. */
  async forgetBypassing(ports: readonly PublishedPort[], signal: AbortSignal): Promise<void> {
    for (const { hostAddress, hostPort, ...port } of ports.filter(isUdp)) {
      const to = hostAddress === undefined ? [] : ['--orig-dst', hostAddress]
      await this.remove(port, ['--orig-port-dst', String(hostPort), ...to], signal)
    }
  }

  /** For ports that are no longer redirected: flows that were. */
  async forgetRedirected(ports: readonly PublishedPort[], signal: AbortSignal): Promise<void> {
    for (const { containerPort, ...port } of ports.filter(isUdp)) {
      const from = ['--reply-src', port.containerAddress, '--reply-port-src', String(containerPort)]
      await this.remove(port, from, signal)
    }
  }

  private async remove(
    { containerAddress }: Pick<PublishedPort, 'containerAddress'>,
    filter: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.run('conntrack', ['-D', '-f', familyOf(containerAddress), '-p', 'udp', ...filter], {
        signal,
      })
    } catch (error) {
      // It exits with 1 where there is no such flow, which is as good.
      if (!(error instanceof CommandError)) throw error
    }
  }
}

function isUdp({ protocol }: PublishedPort): boolean {
  return protocol === 'udp'
}
