import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { GatewayLinks } from '../../../src/adapters/netlink/host-network'
import type { GatewayLink } from '../../../src/driver/host-network'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import { sysctlsOf } from '../../fixtures/sysctls'

const never = new AbortController().signal

let netns: Netns
let host: GatewayLinks

const shell = async (script: string): Promise<string> => (await netns.exec('sh', '-ec', script)).stdout.trim()

beforeEach(async () => {
  netns = await makeNetns()
  host = new GatewayLinks(netns.run, sysctlsOf(netns))
  await shell('ip link add br0 type bridge; ip link add eth0 up type bridge')
})

afterEach(async () => {
  await netns.dispose()
})

const gateway = (more: Partial<GatewayLink> = {}): GatewayLink => ({
  name: 'br0',
  addresses: ['10.1.0.1/24', 'fd01::1/64'],
  mtu: 1400,
  ...more,
})

const globalAddresses = async (): Promise<readonly string[]> =>
  (await shell("ip -o address show dev br0 scope global | awk '{ print $4 }'")).split('\n')

describe('a gateway link', () => {
  it('is up with its addresses, which are usable at once', async () => {
    await host.ensureGateway(gateway(), never)
    expect(await globalAddresses()).toEqual(['10.1.0.1/24', 'fd01::1/64'])
    expect(await shell('ip -o link show br0')).toMatch(/<[^>]*\bUP\b.* mtu 1400 /)
    expect(await shell('ip -6 address show dev br0 scope global')).not.toContain('tentative')
  })

  it('stays as it is when it is right, and is put right when it is not', async () => {
    await host.ensureGateway(gateway(), never)
    expect(await host.differing([gateway()], never)).toEqual([])
    await host.ensureGateway(gateway(), never)
    const faults = [
      'ip address del 10.1.0.1/24 dev br0',
      'ip address add 10.9.0.1/24 dev br0',
      'ip link set dev br0 down',
      'ip link set dev br0 mtu 1300',
    ]
    for (const fault of faults) {
      await shell(fault)
      expect(await host.differing([gateway()], never)).toEqual([gateway()])
      await host.ensureGateway(gateway(), never)
      expect(await host.differing([gateway()], never)).toEqual([])
    }
    expect(await globalAddresses()).toEqual(expect.arrayContaining(['10.1.0.1/24', 'fd01::1/64']))
    expect(await globalAddresses()).toHaveLength(2)
  })

  it('takes IPv6 where the host turns that off for new links', async () => {
    await shell('echo 1 >/proc/sys/net/ipv6/conf/br0/disable_ipv6')
    await host.ensureGateway(gateway(), never)
    expect(await globalAddresses()).toContain('fd01::1/64')
  })

  it('that is not there differs, and cannot be made', async () => {
    const absent = gateway({ name: 'br1' })
    expect(await host.differing([gateway({ addresses: [], mtu: 1500 }), absent], never)).toContainEqual(
      absent,
    )
    await expect(host.ensureGateway(absent, never)).rejects.toThrow(
      /^could not give br1 the network's gateway: .*Cannot find device "br1"/,
    )
  })
})

describe('forwarding', () => {
  const settings = (): Promise<string> =>
    shell('cd /proc/sys/net; grep . ipv4/ip_forward ipv6/conf/*/forwarding ipv6/conf/*/accept_ra')

  beforeEach(async () => {
    await shell('echo 0 >/proc/sys/net/ipv4/ip_forward')
  })

  it('is turned on for the families asked for, and put back', async () => {
    const before = await settings()
    const ipv4 = await host.ensureForwarding({ ipv4: true, ipv6: false })
    expect([...ipv4]).toEqual([['ipv4/ip_forward', '0']])
    const ipv6 = await host.ensureForwarding({ ipv4: true, ipv6: true })
    expect(ipv6.get('ipv6/conf/all/forwarding')).toBe('0')
    expect(await host.ensureForwarding({ ipv4: true, ipv6: true })).toEqual(new Map())
    expect(await settings()).toContain('ipv6/conf/eth0/forwarding:1')
    await host.restore(ipv6)
    await host.restore(ipv4)
    expect(await settings()).toBe(before)
  })

  it('leaves router advertisements to links that had them, which the kernel would end', async () => {
    await shell('echo 0 >/proc/sys/net/ipv6/conf/br0/accept_ra')
    await host.ensureForwarding({ ipv4: false, ipv6: true })
    expect(await shell('cat /proc/sys/net/ipv6/conf/eth0/accept_ra')).toBe('2')
    expect(await shell('cat /proc/sys/net/ipv6/conf/br0/accept_ra')).toBe('0')
  })

  it('is not put back where somebody else has changed it since', async () => {
    const changed = await host.ensureForwarding({ ipv4: true, ipv6: true })
    await shell('echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra')
    await host.restore(changed)
    expect(await shell('cat /proc/sys/net/ipv6/conf/eth0/accept_ra')).toBe('0')
  })
})
