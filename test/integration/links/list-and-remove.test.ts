import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Run } from '../../../src/adapters/process/run'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import { intercepted, linksOver, names, never, pair, ruleset } from './fixture'

let host: Netns

beforeEach(async () => {
  host = await makeNetns()
})

afterEach(async () => {
  await host.dispose()
})

describe('list', () => {
  it('shows every link, ours or not, with what reconcile compares', async () => {
    const links = linksOver(host.run)
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
    const links = linksOver(host.run)
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
    const links = linksOver(host.run)
    await links.ensureVethPair(pair, never)
    await host.exec(
      'nft',
      `add table netdev dovesnap; add chain netdev dovesnap guard-${pair.hostLink} { ${body} }`,
    )
    expect((await links.list(never)).get(pair.hostLink)?.bypassesHostStack).toBe(false)
  })

  it('works without netfilter, which then guards nothing', async () => {
    const withoutNft: Run = (command, args, options) =>
      host.run(command === 'nft' ? '/nonexistent/nft' : command, args, options)
    const links = linksOver(withoutNft)
    await links.ensureVethPair(pair, never)
    expect((await links.list(never)).get(pair.hostLink)?.bypassesHostStack).toBe(false)
    await links.removeLink(pair.hostLink, pair.owner, never)
    expect(await names(host)).toEqual(['lo'])
  })
})

describe('removeLink', () => {
  it.each(['hostLink', 'containerLink'] as const)(
    'removes both ends and the guard by its %s',
    async (end) => {
      const links = linksOver(host.run)
      await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
      await links.removeLink(pair[end], pair.owner, never)
      expect(await names(host)).toEqual(['lo'])
      expect(await ruleset(host)).not.toContain('chain')
    },
  )

  it('succeeds where the link vanished with its container, and removes the guard', async () => {
    const links = linksOver(host.run)
    await links.ensureVethPair({ ...pair, bypassHostStack: true }, never)
    await host.exec('ip', 'link', 'delete', 'dev', pair.hostLink)
    await links.removeLink(pair.hostLink, pair.owner, never)
    await links.removeLink(pair.hostLink, pair.owner, never)
    expect(await ruleset(host)).not.toContain('chain')
  })

  it('succeeds where the link vanishes meanwhile', async () => {
    await linksOver(host.run).ensureVethPair(pair, never)
    const run = intercepted(host.run, async (_, args) => {
      if (args.includes('delete')) await host.exec('ip', 'link', 'delete', 'dev', pair.hostLink)
    })
    await linksOver(run).removeLink(pair.hostLink, pair.owner, never)
    expect(await names(host)).toEqual(['lo'])
  })

  it('succeeds where the guard vanishes meanwhile', async () => {
    await linksOver(host.run).ensureVethPair({ ...pair, bypassHostStack: true }, never)
    const run = intercepted(host.run, async (command, args) => {
      if (command === 'nft' && args[0] === '-f') await host.exec('nft', 'flush', 'ruleset')
    })
    await linksOver(run).removeLink(pair.hostLink, pair.owner, never)
    expect(await names(host)).toEqual(['lo'])
  })

  it('tells of a guard that it could not remove', async () => {
    await linksOver(host.run).ensureVethPair({ ...pair, bypassHostStack: true }, never)
    const run: Run = (command, args, options) =>
      host.run(command === 'nft' && args[0] === '-f' ? 'false' : command, args, options)
    await expect(linksOver(run).removeLink(pair.hostLink, pair.owner, never)).rejects.toMatchObject({
      code: 'LINK_FAILED',
    })
  })

  it('refuses a link of another owner', async () => {
    const links = linksOver(host.run)
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
    const links = linksOver(host.run)
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

  it('has nothing to do on a host without guards', async () => {
    await linksOver(host.run).sweep(never)
    expect(await ruleset(host)).toBe('')
  })
})
