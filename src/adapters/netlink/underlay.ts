import ipaddr from 'ipaddr.js'
import type {
  HostConfiguration,
  ObservedLink,
  ObservedUnderlay,
  UnderlayLinks,
  UplinkLink,
  VxlanDevice,
} from '../../driver/underlay-links'
import { DriverError, reasonOf } from '../../errors'
import type { IngressGuard } from '../nat/ingress-guard'
import type { Run } from '../process/run'
import { globalAddresses, IpCommand } from './ip'
import type { NewLink } from './link-messages'
import { NO_GROUP } from './link-messages'
import type { LinkTable } from './link-table'
import { NetlinkError } from './socket'

/** Every frame whose destination the device has not learnt goes to all the addresses under this one. */
const ALL_ZEROS = '00:00:00:00:00:00'

/** Marks of a moment, which `ip route show` prints and `ip route replace` does not read. */
const PASSING_FLAGS = / (linkdown|dead|offload|trap)\b| expires \S+| error -?\d+/g

/** {@link UnderlayLinks} over netlink; iproute2's `ip` and `bridge` for addresses, routes and forwarding entries. */
export class Underlay implements UnderlayLinks {
  private readonly ip: IpCommand

  constructor(
    private readonly table: LinkTable,
    private readonly guard: IngressGuard,
    private readonly run: Run,
  ) {
    this.ip = new IpCommand(run)
  }

  async observe(signal: AbortSignal): Promise<ObservedUnderlay> {
    const guarded = await this.guard.guarded(signal)
    const addresses = await this.addressesOf(signal)
    const links = await this.table.list(signal)
    const observed = links.map(({ name, up, mtu, alias }): readonly [string, ObservedLink] => [
      name,
      {
        up,
        mtu,
        addresses: addresses.get(name) ?? [],
        ...(alias === undefined ? {} : { owner: alias }),
        bypassesHostStack: guarded.has(name),
      },
    ])
    return { links: new Map(observed), flooded: await this.flooded(signal) }
  }

  async pathMtu(address: string, signal: AbortSignal): Promise<number | undefined> {
    try {
      const { stdout } = await this.run('ip', ['-json', 'route', 'get', address], { signal })
      const [route] = JSON.parse(stdout) as readonly { readonly dev?: string }[]
      return route?.dev === undefined ? undefined : (await this.table.find({ name: route.dev }, signal))?.mtu
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }

  async ensureUplink({ name, bypassHostStack }: UplinkLink, signal: AbortSignal): Promise<void> {
    await attempt(name, async () => {
      const link = await this.table.find({ name }, signal)
      if (link === undefined) throw DriverError.of('UPLINK_MISSING', [name])
      await this.table.set([{ name, up: true }], signal)
      if (bypassHostStack) await this.guard.ensure([name], signal)
      else await this.guard.remove([name], signal)
    })
  }

  async releaseUplink(name: string, signal: AbortSignal): Promise<void> {
    await attempt(name, () => this.guard.remove([name], signal))
  }

  async ensureVxlan(device: VxlanDevice, signal: AbortSignal): Promise<void> {
    const { name, owner, mtu } = device
    await attempt(name, async () => {
      const link = await this.table.find({ name }, signal)
      if (link !== undefined && link.alias !== owner) throw DriverError.of('NAME_TAKEN', [name])
      // The kernel looks at the VNI when it makes the device, and at the UDP port when it brings it up.
      await refusingTakenPort(device, async () => {
        if (link === undefined) await this.table.add(newLink(device), signal)
        await this.table.set([{ name, mtu, group: NO_GROUP, withoutIPv6Address: true, up: true }], signal)
      })
      const present = (await this.flooded(signal)).get(name) ?? new Set()
      const commands = [
        ...device.peers
          .filter((peer) => !present.has(peer))
          .map((peer) => `fdb append ${ALL_ZEROS} dev ${name} dst ${peer}`),
        ...[...present]
          .filter((peer) => !device.peers.includes(peer))
          .map((peer) => `fdb del ${ALL_ZEROS} dev ${name} dst ${peer}`),
      ]
      if (commands.length === 0) return
      await this.run('bridge', ['-batch', '-'], {
        input: commands.map((line) => `${line}\n`).join(''),
        signal,
      })
    })
  }

  async removeVxlan(name: string, owner: string, signal: AbortSignal): Promise<void> {
    await attempt(name, async () => {
      const link = await this.table.find({ name }, signal)
      if (link?.alias === owner) await this.table.remove(link.index, signal)
    })
  }

  private async flooded(signal: AbortSignal): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const { stdout } = await this.run('bridge', ['-json', 'fdb', 'show'], { signal })
    const entries = JSON.parse(stdout.trim() === '' ? '[]' : stdout) as readonly ForwardingEntry[]
    const peers = new Map<string, Set<string>>()
    for (const { ifname, mac, dst } of entries) {
      if (mac !== ALL_ZEROS || dst === undefined) continue
      const known = peers.get(ifname) ?? new Set()
      peers.set(ifname, known.add(ipaddr.parse(dst).toString()))
    }
    return peers
  }

  async hostConfiguration(link: string, signal: AbortSignal): Promise<HostConfiguration> {
    const show = async (...args: readonly string[]): Promise<readonly string[]> => {
      const { stdout } = await this.run('ip', args, { signal })
      return stdout
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '')
    }
    const routes = [
      ...(await show('-4', 'route', 'show', 'dev', link)),
      ...(await show('-6', 'route', 'show', 'dev', link)),
    ]
    const neighbours = await show('neighbour', 'show', 'dev', link, 'nud', 'permanent')
    return {
      addresses: (await this.addressesOf(signal)).get(link) ?? [],
      routes: routes
        .filter((route) => !/\bproto kernel\b/.test(route))
        .map((route) => route.replaceAll(PASSING_FLAGS, '').trim()),
      neighbours: neighbours.flatMap((line) => {
        const [, address, mac] = /^(\S+) lladdr (\S+) /.exec(line) ?? []
        return address === undefined || mac === undefined ? [] : [`${address} lladdr ${mac}`]
      }),
    }
  }

  private async addressesOf(signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
    return new Map((await this.ip.addresses(signal)).map((link) => [link.ifname, globalAddresses(link)]))
  }

  async moveHostConfiguration(
    { addresses, routes, neighbours }: HostConfiguration,
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<void> {
    await attempt(to, async () => {
      const present = await this.addressesOf(signal)
      const isPresent = (link: string, address: string): boolean =>
        present.get(link)?.includes(address) === true
      // A route whose next hop another one leads to comes after that.
      const ordered = [...routes].sort((a, b) => Number(a.includes(' via ')) - Number(b.includes(' via ')))
      await this.ip.batch(
        [
          `link set dev ${to} up`,
          ...addresses
            .filter((address) => isPresent(from, address))
            .map((address) => `address del ${address} dev ${from}`),
          ...addresses
            .filter((address) => !isPresent(to, address))
            .map((address) => `address add ${address} dev ${to}${address.includes(':') ? ' nodad' : ''}`),
          ...ordered.map((route) => `route replace ${route} dev ${to}`),
          ...neighbours.map((neighbour) => `neighbour replace ${neighbour} dev ${to} nud permanent`),
        ],
        signal,
      )
    })
  }
}

/** As `bridge -json fdb show` prints it, as far as it is used. */
interface ForwardingEntry {
  readonly ifname: string
  readonly mac: string
  readonly dst?: string
}

/** One peer's address tells an IPv6 socket where nothing else does. */
function newLink({ name, owner, vni, port, localIp, peers }: VxlanDevice): NewLink {
  const [peer] = peers
  return {
    kind: 'vxlan',
    name,
    alias: owner,
    vni,
    port,
    ...(localIp === undefined ? {} : { local: localIp }),
    ...(peer?.includes(':') === true ? { remote: peer } : {}),
  }
}

/** @throws DriverError `TUNNEL_PORT_TAKEN` */
async function refusingTakenPort({ port, vni }: VxlanDevice, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof NetlinkError && (error.code === 'EADDRINUSE' || error.code === 'EEXIST')) {
      throw DriverError.of('TUNNEL_PORT_TAKEN', [port, vni], { cause: error })
    }
    throw error
  }
}

async function attempt(link: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof DriverError) throw error
    throw DriverError.of('LINK_FAILED', [link, reasonOf(error)], { cause: error })
  }
}
