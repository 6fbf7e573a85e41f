import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { NetlinkError } from '../../../src/adapters/netlink/socket'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import { linksIn, names, never, pair, ruleset } from './fixture'

const NFT_DELCHAIN = 0xa05

let host: Netns

beforeEach(async () => {
  host = await makeNetns()
})

afterEach(async () => {
  await host.dispose()
})

describe('list', () => {
  it('shows every link, ours or not, with what reconcile compares', async () => {
    const links = linksIn(host)
    await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
    await host.exec('ip', 'tuntap', 'add', 'dev', 'tun0', 'mode', 'tun')
    const found = await links.list(never)
    expect([...found.keys()].sort()).toEqual([pair.containerLink, 'lo', pair.hostLink, 'tun0'].sort())
    expect(found.get(pair.containerLink)).toEqual({
      name: pair.containerLink,
      mtu: 1400,
      macAddress: pair.macAddress,
      up: false,
      owner: pair.owner,
      bypassesHostStack: false,
    })
    expect(found.get(pair.hostLink)).toMatchObject({ up: true, bypassesHostStack: true, owner: pair.owner })
    expect(found.get('tun0')).toEqual({
      name: 'tun0',
      mtu: 1500,
      macAddress: '',
      up: false,
      bypassesHostStack: false,
    })
  })

  it('notices a flushed ruleset, which ensureVethPair puts back', async () => {
    const links = linksIn(host)
    const wanted = { ...pair, bypassHostStack: true }
    await links.ensureVethPair(wanted, never)
    await host.exec('nft', 'flush', 'ruleset')
    expect((await links.list(never)).get(pair.hostLink)?.bypassesHostStack).toBe(false)
    await links.ensureVethPair(wanted, never)
    expect((await links.list(never)).get(pair.hostLink)?.bypassesHostStack).toBe(true)
  })

  it.each([
    ['accepts', `type filter hook ingress device "${pair.hostLink}" priority -500; policy accept;`],
    ['is on another link', 'type filter hook ingress device "lo" priority -500; policy drop;'],
    ['is on no hook', ''],
  ])('takes no chain for a guard that %s', async (_, body) => {
    const links = linksIn(host)
    await links.ensureVethPair(pair, never)
    await host.exec(
      'nft',
      `add table netdev dovesnap; add chain netdev dovesnap guard-${pair.hostLink} { ${body} }`,
    )
    expect((await links.list(never)).get(pair.hostLink)?.bypassesHostStack).toBe(false)
  })

  it('works without netfilter, which then guards nothing', async () => {
    const links = linksIn(host, {
      netfilter: () => {
        throw new NetlinkError('EOPNOTSUPP', undefined)
      },
    })
    await links.ensureVethPair(pair, never)
    expect((await links.list(never)).get(pair.hostLink)?.bypassesHostStack).toBe(false)
    await links.removeLink(pair.hostLink, pair.owner, never)
    await links.sweep(never)
    expect(await names(host)).toEqual(['lo'])
  })

  it('lists all of a thousand links', async () => {
    const many = Array.from({ length: 500 }, (_, n) => `link add name many${n} type veth peer name peer${n}`)
    await host.run('ip', ['-batch', '-'], { input: many.join('\n'), signal: never })
    expect((await linksIn(host).list(never)).size).toBe(1001)
  })
})

describe('removeLink', () => {
  it.each(['hostLink', 'containerLink'] as const)(
    'removes both ends and the guard by its %s',
    async (end) => {
      const links = linksIn(host)
      await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
      await links.removeLink(pair[end], pair.owner, never)
      expect(await names(host)).toEqual(['lo'])
      expect(await ruleset(host)).not.toContain('chain')
    },
  )

  it('succeeds where the link vanished with its container, and removes the guard', async () => {
    const links = linksIn(host)
    await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
    await host.exec('ip', 'link', 'delete', 'dev', pair.hostLink)
    await links.removeLink(pair.hostLink, pair.owner, never)
    await links.removeLink(pair.hostLink, pair.owner, never)
    expect(await ruleset(host)).not.toContain('chain')
  })

  it('succeeds where the link vanishes meanwhile', async () => {
    const links = linksIn(host, {
      deletions: async () => {
        await host.exec('ip', 'link', 'delete', 'dev', pair.hostLink)
      },
    })
    await links.ensureVethPair(pair, never)
    await links.removeLink(pair.hostLink, pair.owner, never)
    expect(await names(host)).toEqual(['lo'])
  })

  it('succeeds where the guard vanishes meanwhile', async () => {
    await linksIn(host).ensureVethPair({ ...pair, bypassHostStack: true }, never)
    const links = linksIn(host, {
      netfilter: async (_, types) => {
        if (types.includes(NFT_DELCHAIN)) await host.exec('nft', 'flush', 'ruleset')
      },
    })
    await links.removeLink(pair.hostLink, pair.owner, never)
    expect(await names(host)).toEqual(['lo'])
  })

  it('tells of a guard that it could not remove', async () => {
    await linksIn(host).ensureVethPair({ ...pair, bypassHostStack: true }, never)
    const links = linksIn(host, {
      netfilter: (_, types) => {
        if (types.includes(NFT_DELCHAIN)) throw new NetlinkError('EPERM', 'no such right')
      },
    })
    await expect(links.removeLink(pair.hostLink, pair.owner, never)).rejects.toMatchObject({
      code: 'LINK_FAILED',
    })
  })

  it('tells of a link that it could not remove', async () => {
    const links = linksIn(host, {
      deletions: () => {
        throw new NetlinkError('EPERM', undefined)
      },
    })
    await links.ensureVethPair(pair, never)
    await expect(links.removeLink(pair.hostLink, pair.owner, never)).rejects.toMatchObject({
      code: 'LINK_FAILED',
    })
  })

  it('removes together those that are asked for at once', async () => {
    const batches: number[] = []
    const links = linksIn(host, {
      deletions: (_, types) => {
        batches.push(types.length)
      },
    })
    const pairs = Array.from({ length: 30 }, (_, n) => ({
      ...pair,
      hostLink: `host${n}`,
      containerLink: `cont${n}`,
    }))
    for (const each of pairs) await links.ensureVethPair(each, never)
    await Promise.all(pairs.map(({ hostLink, owner }) => links.removeLink(hostLink, owner, never)))
    expect(await names(host)).toEqual(['lo'])
    expect(batches.length).toBeLessThan(pairs.length / 2)
  })

  it('refuses a link of another owner', async () => {
    const links = linksIn(host)
    await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
    await expect(links.removeLink(pair.hostLink, 'dovesnap:ffff', never)).rejects.toMatchObject({
      code: 'NAME_TAKEN',
    })
    await expect(links.removeLink('lo', pair.owner, never)).rejects.toMatchObject({ code: 'NAME_TAKEN' })
    expect(await names(host)).toEqual([pair.containerLink, 'lo', pair.hostLink].sort())
    expect(await ruleset(host)).toContain(`device "${pair.hostLink}"`)
  })
})

describe('sweep', () => {
  it('removes the guards of vanished links and no others', async () => {
    const links = linksIn(host)
    const gone = { ...pair, hostLink: 'ovs-veth0-gone', containerLink: 'ethcgone', bypassHostStack: true }
    await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
    await links.ensureVethPair(gone, never)
    await host.exec('ip', 'link', 'delete', 'dev', gone.hostLink)
    // Whether the kernel removed the chain depends on its version: both are what sweep must make the same of.
    await host.exec('nft', `add chain netdev dovesnap guard-${gone.hostLink}`)
    await links.sweep(never)
    expect(await ruleset(host)).not.toContain(gone.hostLink)
    expect((await links.list(never)).get(pair.hostLink)?.bypassesHostStack).toBe(true)
  })

  it('succeeds where the ruleset vanishes meanwhile', async () => {
    await linksIn(host).ensureVethPair({ ...pair, bypassHostStack: true }, never)
    await host.exec('ip', 'link', 'delete', 'dev', pair.hostLink)
    await host.exec('nft', `add chain netdev dovesnap guard-${pair.hostLink}`)
    const links = linksIn(host, {
      netfilter: async (_, types) => {
        if (types.includes(NFT_DELCHAIN)) await host.exec('nft', 'flush', 'ruleset')
      },
    })
    await links.sweep(never)
    expect(await ruleset(host)).toBe('')
  })

  it('has nothing to do on a host without guards', async () => {
    await linksIn(host).sweep(never)
    expect(await ruleset(host)).toBe('')
  })
})
