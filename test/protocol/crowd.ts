import type { Netns } from '../fixtures/netns'
import type { Engine, Ids } from './engine'
import type { PluginHost } from './plugin-host'

/** As many requests as an engine has under way when it starts a large composition. */
const AT_ONCE = 25

export interface CrowdSize {
  readonly networks: number
  readonly endpoints: number
}

/** Many networks, every fourth of them nat, and as many joined endpoints, whose links one container holds. */
export interface Crowd {
  readonly networks: readonly string[]
  readonly endpoints: readonly Ids[]
  readonly container: Netns
}

/** Makes a crowd as Docker does, by requests; the links go into the container in one batch. */
export async function makeCrowd(host: PluginHost, engine: Engine, size: CrowdSize): Promise<Crowd> {
  const networks: string[] = []
  await atOnce(size.networks, async (n) => {
    const Pool = `10.${n % 250}.${64 + Math.floor(n / 250)}.0/24`
    networks[n] = await engine.createNetwork(
      n % 4 === 0
        ? {
            generic: { 'ovs.bridge.mode': 'nat' },
            ipv4: [{ Pool, Gateway: Pool.replace('.0/24', '.1/24') }],
          }
        : { ipv4: [{ Pool }] },
    )
  })
  const endpoints: Ids[] = []
  const moves: string[] = []
  const container = await host.makeContainer()
  await atOnce(size.endpoints, async (n) => {
    const network = n % size.networks
    const Address = `10.${network % 250}.${64 + Math.floor(network / 250)}.${2 + Math.floor(n / size.networks)}/24`
    const { NetworkID, EndpointID } = await engine.createEndpoint(networks[network] ?? '', { Address })
    const { InterfaceName } = await engine.join({ NetworkID, EndpointID })
    endpoints[n] = { NetworkID, EndpointID }
    moves.push(`link set dev ${InterfaceName.SrcName} netns ${container.name}`)
  })
  await host.netns.run('ip', ['-batch', '-'], {
    input: moves.map((move) => `${move}\n`).join(''),
    signal: new AbortController().signal,
    // The kernel waits for every CPU with each of them.
    timeoutMs: 60_000,
  })
  return { networks, endpoints, container }
}

/**
 * Breaks every tenth of what the driver made: ports, gateway addresses and VLANs of the packet filter's chains, as
 * operators, other software and crashes do.
 */
export async function damage(host: PluginHost): Promise<void> {
  const tenth = (_: unknown, index: number): boolean => index % 10 === 0
  const { links, ports } = await host.state()
  const containers = ports.filter((name) => name.startsWith('ovs-veth0-')).filter(tenth)
  await host.ovs.vsctl(...containers.flatMap((port) => ['--', 'del-port', port]))
  const { stdout } = await host.netns.exec('ip', '-json', '-4', 'address', 'show')
  const gateways = (JSON.parse(stdout) as readonly AddressedLink[])
    .filter(({ ifname }) => ifname.startsWith('ovsbr-') && links.includes(ifname))
    .filter(tenth)
  const { stdout: rules } = await host.netns.exec('iptables-nft', '-S')
  const jumps = [...rules.matchAll(/^-A (DOVESNAP-\S+ .*)$/gm)].map(([, rule = '']) => rule).filter(tenth)
  const signal = new AbortController().signal
  await host.netns.run('ip', ['-batch', '-'], {
    input: gateways.map(({ ifname }) => `address flush dev ${ifname}\n`).join(''),
    signal,
  })
  const deletions = jumps.map((rule) => `-D ${rule}\n`).join('')
  await host.netns.run('iptables-nft-restore', ['--noflush'], {
    input: `*filter\n${deletions}COMMIT\n`,
    signal,
  })
}

interface AddressedLink {
  readonly ifname: string
}

async function atOnce(count: number, work: (n: number) => Promise<void>): Promise<void> {
  const queue = Array.from({ length: count }, (_, n) => n).values()
  const worker = async (): Promise<void> => {
    for (const n of queue) await work(n)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
