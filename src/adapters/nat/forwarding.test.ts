import { describe, expect, it } from '@jest/globals'
import type { Listing, OutgoingPackets } from './forwarding'
import { dropsForwarded } from './forwarding'

type Rule = readonly Readonly<Record<string, unknown>>[]

const match = (left: object, right: unknown, op = '=='): Rule[number] => ({ match: { op, left, right } })
const iifname = (right: unknown): Rule[number] => match({ meta: { key: 'iifname' } }, right)
const oifname = (right: unknown): Rule[number] => match({ meta: { key: 'oifname' } }, right)
const saddr = (protocol: string, right: unknown): Rule[number] =>
  match({ payload: { protocol, field: 'saddr' } }, right)
const accept = { accept: null }
const reject = { reject: { type: 'icmpx', expr: 'admin-prohibited' } }
const jump = (target: string): Rule[number] => ({ jump: { target } })

/** A table with one chain at the forward hook. */
const table = (
  rules: Readonly<Record<string, readonly Rule[]>>,
  policy = 'accept',
  extra: Listing['nftables'] = [],
): Listing => ({
  nftables: [
    { chain: { family: 'inet', table: 't', name: 'forward', type: 'filter', hook: 'forward', policy } },
    ...Object.entries(rules).flatMap(([chain, list]) => list.map((expr) => ({ rule: { chain, expr } }))),
    ...extra,
  ],
})

const packets: OutgoingPackets = {
  family: 'ipv4',
  link: 'ovsbr-12345',
  subnets: ['10.71.0.0/24'],
  ways: ['eth0'],
}

const firewalld = (...zones: readonly Rule[]): Listing =>
  table({
    forward: [
      [match({ ct: { key: 'state' } }, { set: ['established', 'related'] }, 'in'), accept],
      [match({ ct: { key: 'status' } }, 'dnat', 'in'), accept],
      [match({ ct: { key: 'state' } }, 'invalid', 'in'), { drop: null }],
      [match({ payload: { protocol: 'ip6', field: 'daddr' } }, '::', '!='), reject],
      [jump('dispatch')],
      [reject],
    ],
    dispatch: [...zones, [jump('FWD_public')]],
    FWD_docker: [[oifname('docker0'), jump('FWD_public')], [accept]],
    FWD_public: [[oifname('docker0'), accept], [jump('FWD_public_allow')], [reject]],
  })

describe("firewalld's table", () => {
  it.each([
    ['of a link in no zone', [], true],
    ['of a link in a zone that accepts', [[iifname('ovsbr-12345'), jump('FWD_docker')]], false],
    ['of one that a wildcard puts there', [[iifname('ovsbr-*'), jump('FWD_docker')]], false],
    ['of one beside another there', [[iifname('docker0'), jump('FWD_docker')]], true],
  ] as const)('%s', (_, zones, isDropped) => {
    expect(dropsForwarded(firewalld(...zones), packets)).toBe(isDropped)
  })
})

describe("an administrator's table that drops by policy", () => {
  it.each<readonly [string, Rule, boolean]>([
    ['and accepts nothing', [], true],
    [
      'and accepts all new connections',
      [match({ ct: { key: 'state' } }, ['established', 'new'], 'in'), accept],
      false,
    ],
    ['and accepts one port', [match({ payload: { protocol: 'tcp', field: 'dport' } }, 22), accept], true],
    ['and accepts the way out', [oifname({ set: ['eth0', 'eth1'] }), accept], false],
    ['and accepts another way out', [oifname('eth1'), accept], true],
    [
      'and accepts the subnet',
      [saddr('ip', { set: [{ prefix: { addr: '10.0.0.0', len: 8 } }] }), accept],
      false,
    ],
    ['and accepts another subnet', [saddr('ip', { prefix: { addr: '10.72.0.0', len: 16 } }), accept], true],
    ['and accepts IPv6', [match({ meta: { key: 'nfproto' } }, 'ipv6'), accept], true],
    ['and accepts what has some mark', [match({ meta: { key: 'mark' } }, 0, '!='), accept], true],
    ['and counts and accepts', [{ counter: { packets: 1, bytes: 2 } }, accept], false],
    ['and accepts a rate', [{ limit: { rate: 10, per: 'second' } }, accept], true],
    ['and accepts a named set of links', [iifname('@lans'), accept], false],
    ['and looks the link up', [{ vmap: { key: { meta: { key: 'iifname' } }, data: '@verdicts' } }], false],
  ])('%s', (_, rule, isDropped) => {
    const sets = [
      { set: { name: 'lans', elem: ['lan0', { elem: { val: 'ovsbr-12345', comment: 'containers' } }] } },
      { map: { name: 'verdicts', elem: [['ovsbr-*', { goto: { target: 'lan' } }]] } },
    ]
    expect(dropsForwarded(table({ forward: [rule], lan: [[accept]] }, 'drop', sets), packets)).toBe(isDropped)
  })

  it.each<readonly [string, Rule]>([
    ['a rate is passed', [{ limit: { rate: 100, per: 'second', inv: true } }, { drop: null }]],
    ['there are many connections', [{ 'ct count': { val: 20, inv: true } }, { drop: null }]],
    [
      'a packet looks forged',
      [match({ payload: { protocol: 'tcp', field: 'flags' } }, 'syn', '!='), { drop: null }],
    ],
    [
      'they lead elsewhere',
      [match({ payload: { protocol: 'ip', field: 'daddr' } }, '10.0.0.0', '!='), { drop: null }],
    ],
  ])('drops not all of them where it drops only when %s', (_, rule) => {
    expect(dropsForwarded(table({ forward: [rule] }), packets)).toBe(false)
  })

  it('drops nothing at another hook', () => {
    const input = { family: 'inet', table: 't', name: 'input', type: 'filter', hook: 'input', policy: 'drop' }
    expect(dropsForwarded({ nftables: [{ chain: input }] }, packets)).toBe(false)
  })
})
