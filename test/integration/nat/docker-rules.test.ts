import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { AutoFirewall } from '../../../src/adapters/nat/auto-firewall'
import { Conntrack } from '../../../src/adapters/nat/conntrack'
import { NftablesFirewall } from '../../../src/adapters/nat/nftables-firewall'
import { NftablesTables } from '../../../src/adapters/nat/other-filters'
import { eachFamily, HOST4, implementations, OUTSIDE4, port } from './implementations'
import type { Lab } from './lab'
import { ask, makeLab, networkOf, pings, serve } from './lab'

const never = new AbortController().signal

// An attempt that nobody answers takes its second.
jest.setTimeout(30_000)

let lab: Lab

beforeAll(async () => {
  lab = await makeLab()
  await Promise.all([serve(lab.outside, 80), serve(lab.containers.c1, 80)])
}, 30_000)

afterAll(async () => {
  await lab.dispose()
})

const asOthers = async (...commands: readonly string[]): Promise<void> => {
  await lab.host.exec('sh', '-ec', eachFamily(...commands).join('\n'))
}

/** As Docker Engine 29 makes its table for nftables, for a bridge br2: what is not for it is accepted by policy. */
const DOCKER_29 = `
table ip docker-bridges {
  map filter-forward-in-jumps { type ifname : verdict; elements = { "br2" : jump filter-forward-in__br2 } }
  map filter-forward-out-jumps { type ifname : verdict; elements = { "br2" : jump filter-forward-out__br2 } }
  chain filter-FORWARD {
    type filter hook forward priority filter; policy accept;
    oifname vmap @filter-forward-in-jumps
    iifname vmap @filter-forward-out-jumps
  }
  chain filter-forward-in__br2 {
    ct state established,related counter accept
    iifname "br2" counter accept comment "ICC"
    counter drop comment "UNPUBLISHED PORT DROP"
  }
  chain filter-forward-out__br2 {
    ct state established,related counter accept
    counter accept comment "OUTGOING"
  }
}`

describe("beside Docker's own rules", () => {
  const [iptables, nftables] = implementations.map(({ make }) => make)

  afterEach(async () => {
    await asOthers('-F', '-X', '-P FORWARD ACCEPT')
  })

  it("iptables drops what goes from a network of ours to Docker's own bridges", async () => {
    const firewall = iptables?.(lab.host.run)
    await asOthers('-N DOCKER-USER', '-A FORWARD -j DOCKER-USER', '-N DOCKER-ISOLATION-STAGE-2')
    await asOthers('-A DOCKER-ISOLATION-STAGE-2 -o br2 -j DROP', '-A FORWARD -i br2 -j ACCEPT')
    await firewall?.ensureNetwork(networkOf(1), never)
    expect(await pings(lab.containers.c1, '10.2.0.2')).toBe(false)
    expect(await pings(lab.containers.c2, '10.1.0.2')).toBe(false)
    expect(await ask(lab.containers.c1, 'tcp', OUTSIDE4, 80)).toBe(HOST4)
    await firewall?.reconcile([], never)
  })

  it('nftables is refused where iptables drops by policy, with what to set', async () => {
    await asOthers('-P FORWARD DROP')
    await expect(nftables?.(lab.host.run).ensureNetwork(networkOf(1), never)).rejects.toThrow(
      /drops by policy what it does not accept itself \(ip\), so set FIREWALL=iptables/,
    )
  })
})

it("nftables leaves another process's networks alone until it knows them", async () => {
  const first = new NftablesFirewall(lab.host.run, new Conntrack(lab.host.run))
  await first.ensureNetwork(networkOf(1, { published: [port()] }), never)
  const second = new NftablesFirewall(lab.host.run, new Conntrack(lab.host.run))
  await second.ensureNetwork(networkOf(2), never)
  expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBe(OUTSIDE4)
  await second.reconcile([networkOf(1, { published: [port()] }), networkOf(2)], never)
  expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBe(OUTSIDE4)
  await second.reconcile([], never)
  expect((await lab.host.exec('nft', 'list', 'ruleset')).stdout).not.toContain('table inet dovesnap')
})

it('auto uses nftables from when Docker does, and takes what iptables had along', async () => {
  const [iptables, nftables] = implementations.map(({ make }) => make(lab.host.run))
  if (iptables === undefined || nftables === undefined) throw new Error('no implementation')
  const firewall = new AutoFirewall(lab.host.run, iptables, nftables)
  const network = networkOf(1, { published: [port()] })
  const ruleset = async (): Promise<string> => (await lab.host.exec('nft', 'list', 'ruleset')).stdout
  await firewall.ensureNetwork(network, never)
  expect(await ruleset()).toContain('DOVESNAP-INTO')
  await lab.host.exec('nft', DOCKER_29)
  await firewall.reconcile([network], never)
  expect(await ruleset()).not.toContain('DOVESNAP-INTO')
  expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBe(OUTSIDE4)
  expect(await pings(lab.containers.c1, '10.2.0.2')).toBe(false)
  expect(await ask(lab.containers.c1, 'tcp', OUTSIDE4, 80)).toBe(HOST4)
  await firewall.reconcile([], never)
  await lab.host.exec('nft', 'delete table ip docker-bridges')
})

it.each([
  ['ct state established accept', ['br1', 'br2']],
  ['iifname "br1" oifname "eth0" accept', ['br2']],
  ['iifname { "br1", "br2" } accept', []],
  ['ip saddr 10.2.0.0/16 accept; add rule inet others forward ip6 saddr fd02::/64 accept', ['br1']],
  ['ip saddr 10.2.0.0/16 accept', ['br1', 'br2']],
])('what another table drops is told, with the link: %s', async (rule, links) => {
  const before = (await lab.host.exec('nft', 'list', 'ruleset')).stdout
  await lab.host.exec('ip', 'route', 'add', 'default', 'dev', 'eth0')
  await lab.host.exec('ip', '-6', 'route', 'add', 'default', 'dev', 'eth0')
  await lab.host.exec(
    'nft',
    `add table inet others; add chain inet others forward { type filter hook forward priority 0; policy drop; };
     add rule inet others forward ${rule}`,
  )
  const filters = new NftablesTables(lab.host.run)
  const told = await filters.blockades([networkOf(1), networkOf(2), networkOf(2, { internal: true })], never)
  await lab.host.exec('nft', 'delete table inet others')
  await lab.host.exec('ip', 'route', 'del', 'default')
  await lab.host.exec('ip', '-6', 'route', 'del', 'default')
  expect(told.map(({ link }) => link)).toEqual(links)
  for (const { reason } of told) expect(reason.message).toContain('its table inet others drops it')
  expect((await lab.host.exec('nft', 'list', 'ruleset')).stdout).toBe(before)
})
