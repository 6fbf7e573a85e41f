import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { IngressGuard } from '../../../src/adapters/nat/ingress-guard'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import { never } from './fixture'

let host: Netns
let guard: IngressGuard

beforeEach(async () => {
  host = await makeNetns()
  guard = new IngressGuard(host.netlink.netfilter, 'dovesnap')
  for (const name of ['one', 'two', 'three'])
    await host.exec('ip', 'tuntap', 'add', 'dev', name, 'mode', 'tap')
})

afterEach(async () => {
  await host.dispose()
})

describe('guards asked for at the same moment', () => {
  it('do not fail for one that the kernel refuses', async () => {
    // From 6.16 on the kernel takes a link that is not there, but no name that no link can have.
    const asked = ['one', 'x'.repeat(40), 'two', 'three'].map((link) => guard.ensure([link], never))
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    expect([...(await guard.guarded(never))].toSorted()).toEqual(['one', 'three', 'two'])
  })

  it('are made for those who still wait, when one gives up', async () => {
    const impatient = new AbortController()
    const first = guard.ensure(['one'], never)
    const given = guard.ensure(['two'], impatient.signal)
    impatient.abort(new Error('enough'))
    const last = guard.ensure(['three'], never)
    await expect(given).rejects.toThrow('enough')
    await Promise.all([first, last])
    expect([...(await guard.guarded(never))].toSorted()).toEqual(['one', 'three'])
  })

  it('go together, also where one was never there', async () => {
    await Promise.all([guard.ensure(['one'], never), guard.ensure(['two'], never)])
    await Promise.all(['one', 'gone', 'two'].map((link) => guard.remove([link], never)))
    expect((await guard.guarded(never)).size).toBe(0)
  })
})
