import { describe, expect, it } from '@jest/globals'
import type { FilteredNetwork, PublishedPort } from '../../driver/firewall'
import { planAll, planNetwork, planRemoval } from './iptables-plan'
import type { Ruleset } from './ruleset'
import { parseRuleset } from './ruleset'

const empty: Ruleset = { filter: new Map(), nat: new Map() }

const port = (more: Partial<PublishedPort> = {}): PublishedPort => ({
  protocol: 'tcp',
  hostPort: 8080,
  containerAddress: '10.1.0.2',
  containerPort: 80,
  ...more,
})

const network = (more: Partial<FilteredNetwork> = {}): FilteredNetwork => ({
  id: 'a'.repeat(64),
  link: 'br1',
  subnets: [{ subnet: '10.1.0.0/24', gateway: '10.1.0.1/24' }],
  masquerade: true,
  internal: false,
  interContainer: true,
  published: [],
  ...more,
})

const dual = [
  { subnet: '10.1.0.0/24', gateway: '10.1.0.1/24' },
  { subnet: 'fd01::/64', gateway: 'fd01::1/64' },
]

const published = [
  port(),
  port({ hostAddress: '192.0.2.1', hostPort: 8081 }),
  port({ protocol: 'udp', hostPort: 53, containerPort: 53 }),
  port({ protocol: 'sctp', hostPort: 9, containerPort: 9 }),
  port({ containerAddress: 'fd01::2' }),
  port({ containerAddress: 'fd01::2', hostAddress: '2001:db8::1', hostPort: 8081 }),
]

describe.each(['ipv4', 'ipv6'] as const)('the %s rules', (family) => {
  it.each([
    ['nat', {}],
    ['routed', { masquerade: false }],
    ['internal', { internal: true }],
    ['containers apart', { interContainer: false }],
  ] as const)('of a network: %s', (_, more) => {
    expect(planAll(empty, [network({ subnets: dual, published, ...more })], family).text).toMatchSnapshot()
  })

  it('of two networks', () => {
    const other = network({
      id: 'b'.repeat(64),
      link: 'br2',
      subnets: [{ subnet: '10.2.0.0/24' }, { subnet: 'fd02::/64' }],
    })
    expect(planAll(empty, [network({ subnets: dual }), other], family).text).toMatchSnapshot()
  })
})

it('a family that a network does not have gets nothing', () => {
  expect(planAll(empty, [network()], 'ipv6')).toEqual({ text: '', differences: [] })
  expect(planNetwork(empty, network(), 'ipv6')).toEqual({ text: '', differences: [] })
})

/** What iptables-save prints once the plan is carried out on a host like this one. */
const host = parseRuleset(`
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -i lo -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
COMMIT
`)

it("jumps stand directly after DOCKER-USER, and Docker's own chain guards its bridges", () => {
  const { text } = planAll(host, [network()], 'ipv4')
  expect(text).toContain('-I FORWARD 3 -j DOVESNAP-INTO\n-I FORWARD 4 -j DOVESNAP-FROM\n')
  expect(text).toContain('-A DOVESNAP-OUT-aaaaaaaaaaaa -j DOCKER-ISOLATION-STAGE-2\n')
})

it('a removal keeps what other networks share, and the last takes everything', () => {
  const shared = (...networks: readonly string[]): Ruleset =>
    parseRuleset(`
*filter
:FORWARD ACCEPT [0:0]
:DOVESNAP-INTO - [0:0]
${networks.map((id) => `:DOVESNAP-IN-${id} - [0:0]\n`).join('')}
-A FORWARD -j DOVESNAP-INTO
${networks.map((id) => `-A DOVESNAP-INTO -o br -j DOVESNAP-IN-${id}\n`).join('')}
COMMIT
`)
  const [a, b] = ['a'.repeat(12), 'b'.repeat(12)]
  const first = planRemoval(shared(a, b), a, 'ipv4').text
  expect(first).toContain(`:DOVESNAP-INTO - [0:0]\n-A DOVESNAP-INTO -o br -j DOVESNAP-IN-${b}\n`)
  expect(first).toContain(`-X DOVESNAP-IN-${a}\n`)
  expect(first).not.toContain(`-X DOVESNAP-IN-${b}`)
  const last = planRemoval(shared(a), a, 'ipv4').text
  expect(last).toBe(
    `*filter\n-D FORWARD -j DOVESNAP-INTO\n-F DOVESNAP-INTO\n-F DOVESNAP-IN-${a}\n-X DOVESNAP-INTO\n-X DOVESNAP-IN-${a}\nCOMMIT\n`,
  )
})

describe("firewalld's own chains, which accept in the table nat whatever comes to them", () => {
  const saved = (...jumps: readonly string[]): Ruleset =>
    parseRuleset(`
*nat
:POSTROUTING ACCEPT [0:0]
:POSTROUTING_direct - [0:0]
:POSTROUTING_dispatch - [0:0]
:POST_public - [0:0]
:DOVESNAP-MASQ - [0:0]
${jumps.map((rule) => `-A POSTROUTING ${rule}\n`).join('')}
-A POSTROUTING_dispatch -o docker0 -j POST_public
-A POSTROUTING_dispatch -j POST_public
-A POST_public -j ACCEPT
COMMIT
`)
  const firewalld = [
    '-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE',
    '-j POSTROUTING_direct',
    '-j POSTROUTING_dispatch',
  ]
  const moved = (text: string): readonly string[] => text.match(/^-[DIA] POSTROUTING .*$/gm) ?? []

  it('have the jumps before them, and behind the rules that users give to firewalld', () => {
    expect(moved(planAll(saved(...firewalld), [network()], 'ipv4').text)).toEqual([
      '-I POSTROUTING 3 -j DOVESNAP-MASQ',
    ])
  })

  it('get them moved where they were appended, and left alone where they stand before', () => {
    expect(moved(planAll(saved(...firewalld, '-j DOVESNAP-MASQ'), [network()], 'ipv4').text)).toEqual([
      '-D POSTROUTING -j DOVESNAP-MASQ',
      '-I POSTROUTING 3 -j DOVESNAP-MASQ',
    ])
    expect(moved(planAll(saved('-j DOVESNAP-MASQ', ...firewalld), [network()], 'ipv4').text)).toEqual([])
  })

  it("let others' own addresses come first", () => {
    expect(moved(planAll(saved('-j MASQUERADE'), [network()], 'ipv4').text)).toEqual([
      '-A POSTROUTING -j DOVESNAP-MASQ',
    ])
  })
})
