import type { PluginHost } from '../protocol/plugin-host'
import type { Observed } from './model'

interface IpLink {
  readonly ifname: string
  readonly flags: readonly string[]
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[]
}

/** Looks at the host with its own tools. */
export async function observe({ netns, ovs }: PluginHost): Promise<Observed> {
  const json = async (table: string, columns: string): Promise<readonly (readonly unknown[])[]> => {
    const text = await ovs.vsctl('--format=json', `--columns=${columns}`, 'list', table)
    return (JSON.parse(text) as { readonly data: readonly (readonly unknown[])[] }).data
  }
  const [root] = await json('Open_vSwitch', 'external_ids')
  const texts = mapOf(root?.[0])
  const parsed = (prefix: string): readonly unknown[] =>
    [...texts].filter(([key]) => key.startsWith(prefix)).map(([, text]): unknown => JSON.parse(text))
  const names = (await ovs.vsctl('list-br')).split('\n').filter((name) => name !== '')
  const bridges = new Map<string, readonly string[]>()
  for (const name of names) {
    bridges.set(
      name,
      (await ovs.vsctl('list-ports', name)).split('\n').filter((port) => port !== ''),
    )
  }
  const ports = await json('Port', 'name,tag')
  const links = JSON.parse((await netns.exec('ip', '-json', 'address', 'show')).stdout) as readonly IpLink[]
  const filter = (await netns.exec('iptables-nft-save')).stdout
  return {
    networks: parsed('dovesnap-network-') as Observed['networks'],
    endpoints: parsed('dovesnap-endpoint-') as Observed['endpoints'],
    bridges,
    tags: new Map(ports.flatMap(([name, tag]) => (typeof tag === 'number' ? [[String(name), tag]] : []))),
    linksUp: new Set(links.filter(({ flags }) => flags.includes('UP')).map(({ ifname }) => ifname)),
    links: new Set(links.map(({ ifname }) => ifname)),
    addresses: new Map(
      links.map(({ ifname, addr_info }) => [
        ifname,
        addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
      ]),
    ),
    filter,
  }
}

/** OVSDB writes maps as `["map", [[key, value], …]]`. */
function mapOf(value: unknown): ReadonlyMap<string, string> {
  const [, pairs] = value as readonly ['map', readonly (readonly [string, string])[]]
  return new Map(pairs)
}
