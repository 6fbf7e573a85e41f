import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { VethPair } from '../../../src/driver/links'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import { linksIn, names, never, pair, ruleset, show } from './fixture'

const [RTM_NEWLINK, RTM_SETLINK] = [16, 19]

let host: Netns

beforeEach(async () => {
  host = await makeNetns()
})

afterEach(async () => {
  await host.dispose()
})

async function feature(netns: Netns, link: string, name: string): Promise<string | undefined> {
  const { stdout } = await netns.exec('ethtool', '-k', link)
  return new RegExp(`^\\s*${name}: (\\w+)`, 'm').exec(stdout)?.[1]
}

describe('ensureVethPair', () => {
  it('makes both ends as asked, and only the host end up', async () => {
    await linksIn(host).ensureVethPair(pair, never)
    const hostEnd = await show(host, pair.hostLink)
    const containerEnd = await show(host, pair.containerLink)
    expect(hostEnd).toMatchObject({ mtu: 1400, ifalias: pair.owner, inet6_addr_gen_mode: 'none' })
    expect(hostEnd.flags).toContain('UP')
    expect([hostEnd.group, containerEnd.group]).toEqual(['default', 'default'])
    expect(containerEnd).toMatchObject({ mtu: 1400, ifalias: pair.owner, address: pair.macAddress })
    expect(containerEnd.flags).not.toContain('UP')
    expect(await feature(host, pair.containerLink, 'tx-checksumming')).toBe('on')
    expect(await ruleset(host)).toBe('')
  })

  it('makes many at once, each whatever becomes of the others', async () => {
    const links = linksIn(host)
    const pairs = Array.from({ length: 60 }, (_, n): VethPair => {
      const id = String(n).padStart(2, '0')
      const [hostLink, containerLink, owner] = [`ovs-veth0-m${id}`, `ethcm${id}`, `dovesnap:${id}`]
      return { ...pair, hostLink, containerLink, owner, bypassHostStack: true }
    })
    await host.exec('ip', 'tuntap', 'add', 'dev', 'ovs-veth0-m07', 'mode', 'tap')
    const made = await Promise.allSettled(pairs.map((each) => links.ensureVethPair(each, never)))
    expect(made.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([7])
    const listed = await links.list(never)
    const mended = pairs.filter(({ hostLink }) => listed.get(hostLink)?.bypassesHostStack === true)
    expect(mended).toHaveLength(59)
    expect(listed.get('ovs-veth0-m42')).toMatchObject({ owner: 'dovesnap:42', mtu: 1400, up: true })

    await Promise.all(mended.map(({ hostLink, owner }) => links.removeLink(hostLink, owner, never)))
    expect(await names(host)).toEqual(['lo', 'ovs-veth0-m07'])
    expect(await ruleset(host)).not.toContain('guard-')
  })

  it('makes a pair whose MTU is too small for IPv6', async () => {
    await linksIn(host).ensureVethPair({ ...pair, mtu: 1200 }, never)
    expect(await show(host, pair.hostLink)).toMatchObject({ mtu: 1200, ifalias: pair.owner })
    expect((await show(host, pair.hostLink)).flags).toContain('UP')
  })

  it('turns transmit checksums off on the container end alone, and that survives its move', async () => {
    await linksIn(host).ensureVethPair({ ...pair, transmitOffload: false }, never)
    expect(await feature(host, pair.hostLink, 'tx-checksumming')).toBe('on')
    const container = await makeNetns()
    try {
      await host.exec('ip', 'link', 'set', 'dev', pair.containerLink, 'netns', container.name)
      expect(await feature(container, pair.containerLink, 'tx-checksumming')).toBe('off')
      expect(await feature(container, pair.containerLink, 'tx-tcp-segmentation')).toBe('off')
    } finally {
      await container.dispose()
    }
  })

  it('puts an existing pair right', async () => {
    const links = linksIn(host)
    await links.ensureVethPair(pair, never)
    for (const link of [pair.hostLink, pair.containerLink]) {
      await host.exec('ip', 'link', 'set', 'dev', link, 'mtu', '1300', 'down')
    }
    await host.exec('ip', 'link', 'set', 'dev', pair.hostLink, 'addrgenmode', 'eui64')
    await host.exec(
      'ip',
      'link',
      'set',
      'dev',
      pair.containerLink,
      'address',
      '02:00:00:00:00:01',
      'alias',
      'x',
    )
    const { address: hostMac } = await show(host, pair.hostLink)
    const wanted: VethPair = { ...pair, transmitOffload: false, bypassHostStack: true }
    await links.ensureVethPair(wanted, never)
    expect(await show(host, pair.hostLink)).toMatchObject({
      mtu: 1400,
      inet6_addr_gen_mode: 'none',
      ifalias: pair.owner,
      address: hostMac,
    })
    expect((await show(host, pair.hostLink)).flags).toContain('UP')
    expect(await show(host, pair.containerLink)).toMatchObject({
      mtu: 1400,
      address: pair.macAddress,
      ifalias: pair.owner,
    })
    expect(await feature(host, pair.containerLink, 'tx-checksumming')).toBe('off')
    expect(await ruleset(host)).toContain(`device "${pair.hostLink}"`)
    await links.ensureVethPair(pair, never)
    expect(await feature(host, pair.containerLink, 'tx-checksumming')).toBe('on')
    expect(await ruleset(host)).not.toContain('chain')
  })

  it('leaves alone the end that is in a container, and a link that took its name', async () => {
    const links = linksIn(host)
    await links.ensureVethPair(pair, never)
    const container = await makeNetns()
    try {
      await host.exec('ip', 'link', 'set', 'dev', pair.containerLink, 'netns', container.name)
      await container.exec('ip', 'link', 'set', 'dev', pair.containerLink, 'mtu', '1280')
      await host.exec('ip', 'link', 'add', pair.containerLink, 'mtu', '1290', 'type', 'bridge')
      await host.exec('ip', 'link', 'set', 'dev', pair.hostLink, 'mtu', '1300')
      await links.ensureVethPair({ ...pair, transmitOffload: false }, never)
      expect((await show(host, pair.hostLink)).mtu).toBe(1400)
      expect((await show(container, pair.containerLink)).mtu).toBe(1280)
      expect(await feature(container, pair.containerLink, 'tx-checksumming')).toBe('on')
      expect((await show(host, pair.containerLink)).mtu).toBe(1290)
    } finally {
      await container.dispose()
    }
  })

  it.each(['hostLink', 'containerLink'] as const)('refuses a %s that is not its own', async (end) => {
    await host.exec('ip', 'link', 'add', pair[end], 'mtu', '1290', 'type', 'bridge')
    const before = await names(host)
    await host.exec('ip', 'link', 'set', 'dev', pair[end], 'alias', 'theirs')
    await expect(linksIn(host).ensureVethPair(pair, never)).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: expect.stringContaining(pair[end]),
    })
    expect(await names(host)).toEqual(before)
    expect(await show(host, pair[end])).toMatchObject({ mtu: 1290, ifalias: 'theirs', group: 'default' })
  })

  it('refuses a pair of another owner and leaves its guard', async () => {
    const links = linksIn(host)
    await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
    const other = { ...pair, owner: 'dovesnap:ffff', mtu: 1300 }
    await expect(links.ensureVethPair(other, never)).rejects.toMatchObject({ code: 'NAME_TAKEN' })
    expect(await show(host, pair.hostLink)).toMatchObject({ mtu: 1400, ifalias: pair.owner })
    expect(await ruleset(host)).toContain(`device "${pair.hostLink}"`)
  })

  it('takes back the links where a later step fails', async () => {
    const wanted = { ...pair, transmitOffload: false, bypassHostStack: true }
    const links = linksIn(host, {
      netfilter: () => {
        throw new Error('no netfilter here')
      },
    })
    // What is read of netfilter fails as well, which is no reason to fail.
    await expect(links.ensureVethPair(wanted, never)).rejects.toMatchObject({
      code: 'LINK_FAILED',
      message: expect.stringContaining('no netfilter here'),
    })
    expect(await names(host)).toEqual(['lo'])
  })

  it('takes back the links where a setting is refused', async () => {
    let exchanges = 0
    const links = linksIn(host, {
      route: async (forward, types) => {
        exchanges += 1
        if (types.includes(RTM_SETLINK)) await host.exec('ip', 'link', 'delete', 'dev', pair.containerLink)
        await forward()
      },
    })
    await expect(links.ensureVethPair(pair, never)).rejects.toMatchObject({
      code: 'LINK_FAILED',
      message: expect.stringContaining('ENODEV'),
    })
    expect(exchanges).toBeGreaterThan(2)
    expect(await names(host)).toEqual(['lo'])
  })

  it.each(['route', 'netfilter', 'run'] as const)(
    'takes back the links and the guard where the caller gives up at %s',
    async (stage) => {
      const controller = new AbortController()
      const reason = new Error('given up')
      const giveUp = async (forward: () => Promise<unknown>, types: readonly number[]): Promise<void> => {
        await forward()
        if (stage === 'netfilter' || types.includes(RTM_NEWLINK)) controller.abort(reason)
      }
      const links = linksIn(
        host,
        stage === 'run'
          ? {
              run: () => {
                controller.abort(reason)
              },
            }
          : { [stage]: giveUp },
      )
      const wanted = { ...pair, transmitOffload: false, bypassHostStack: true }
      await expect(links.ensureVethPair(wanted, controller.signal)).rejects.toBe(reason)
      expect(await names(host)).toEqual(['lo'])
      expect(await ruleset(host)).not.toContain('chain')
    },
  )

  it('leaves no link without its mark wherever the driver dies', async () => {
    const links = linksIn(host, {
      route: async (forward, types) => {
        await forward()
        if (types.includes(RTM_NEWLINK)) throw new Error('killed')
      },
    })
    await expect(links.ensureVethPair(pair, never)).rejects.toThrow('killed')
    for (const link of [pair.hostLink, pair.containerLink]) {
      expect((await show(host, link)).ifalias).toBe(pair.owner)
    }
    await linksIn(host).ensureVethPair(pair, never)
    for (const link of [pair.hostLink, pair.containerLink]) {
      expect((await show(host, link)).group).toBe('default')
    }
  })

  it.each([
    ['and another took the name', 'type bridge', ['lo', pair.hostLink]],
    ['and a pair of another took the name', 'type veth peer name other', ['lo', 'other', pair.hostLink]],
  ])('takes back only its own where it is cut off %s', async (_when, kind, remaining) => {
    const controller = new AbortController()
    const links = linksIn(host, {
      route: async (_, types) => {
        if (!types.includes(RTM_NEWLINK)) return
        await host.exec('ip', 'link', 'add', 'name', pair.hostLink, ...kind.split(' '))
        controller.abort(new Error('cut off'))
        throw new Error('cut off')
      },
    })
    await expect(links.ensureVethPair(pair, controller.signal)).rejects.toThrow('cut off')
    expect(await names(host)).toEqual(remaining)
  })

  it('tells of a pair that it could not take back', async () => {
    const links = linksIn(host, {
      netfilter: () => {
        throw new Error('no netfilter here')
      },
      deletions: () => {
        throw new Error('no deleting either')
      },
    })
    await expect(links.ensureVethPair({ ...pair, bypassHostStack: true }, never)).rejects.toThrow(
      /no netfilter here.*no deleting either/,
    )
  })

  it('makes many pairs at once', async () => {
    const links = linksIn(host)
    const pairs = Array.from({ length: 20 }, (_, i) => ({
      ...pair,
      hostLink: `ovs-veth0-${i}`,
      containerLink: `ethc${i}`,
      bypassHostStack: true,
    }))
    await Promise.all(pairs.map((each) => links.ensureVethPair(each, never)))
    const found = await links.list(never)
    expect(pairs.map(({ hostLink }) => found.get(hostLink)?.bypassesHostStack)).toEqual(pairs.map(() => true))
    await Promise.all(pairs.map(({ hostLink }) => links.removeLink(hostLink, pair.owner, never)))
    expect(await names(host)).toEqual(['lo'])
    expect(await ruleset(host)).not.toContain('chain')
  })

  it.each([
    ['hostLink', 'a b'],
    ['hostLink', 'name-of-16-bytes'],
    ['hostLink', '-x'],
    ['hostLink', 'a/b'],
    ['containerLink', 'a\nlink'],
    ['owner', 'a b'],
    ['owner', 'x\nlink delete dev lo'],
    ['macAddress', '02:42'],
    ['mtu', 1.5],
  ])('lets no %s %j near the kernel', async (key, value) => {
    let asked = 0
    const count = (): void => {
      asked += 1
    }
    const links = linksIn(host, { run: count, route: count, netfilter: count, deletions: count })
    await expect(links.ensureVethPair({ ...pair, [key]: value }, never)).rejects.toMatchObject({
      code: 'LINK_FAILED',
    })
    expect(asked).toBe(0)
  })
})
