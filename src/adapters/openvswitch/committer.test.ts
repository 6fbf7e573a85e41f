import { describe, expect, it } from '@jest/globals'
import { op } from '../ovsdb'
import type { Answer, Received } from '../ovsdb/fakes'
import { never, settled, synchroniseFakes } from '../ovsdb/fakes'
import type { Change } from './committer'
import { Committer } from './committer'
import { View } from './view'

const insertion = (name: string): Change<string> => ({
  attempt: `insert ${name}`,
  switchWork: 'untold',
  plan: () => [op.insert('T', { name })],
  result: () => name,
})

const tell = ({ params }: Received): string => JSON.stringify(params)

const done: Answer = ({ params }) => ({ result: params.slice(1).map(() => ({})) })

/** A committer whose server answers each transaction with the next of `answers`, and the last one for ever. */
async function start(...answers: readonly Answer[]) {
  let count = 0
  const fakes = await synchroniseFakes({
    transact: (request, server) => answers[Math.min(count++, answers.length - 1)]?.(request, server),
  })
  const committer = new Committer(fakes.client, new View(fakes.client.replica), () => never)
  const transactions = () => fakes.server.received.filter(({ method }) => method === 'transact').map(tell)
  return { ...fakes, transactions, commit: (name: string) => committer.commit(insertion(name), never) }
}

describe('changes that wait at the same moment', () => {
  it('share one transaction', async () => {
    const { commit, transactions } = await start(done)
    expect(await Promise.all([commit('a'), commit('b')])).toEqual(['a', 'b'])
    expect(transactions()).toEqual([expect.stringMatching(/"name":"a".*"name":"b".*insert a; insert b/)])
  })

  it('do not fail because of one of them', async () => {
    const refusal = [{ error: 'constraint violation', details: 'no such name' }]
    const { commit } = await start((request, server) =>
      tell(request).includes('"name":"bad"') ? { result: refusal } : done(request, server),
    )
    const outcomes = await Promise.allSettled([commit('a'), commit('bad'), commit('b')])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    await expect(commit('bad')).rejects.toThrow(/insert bad.*no such name/)
  })

  it.each([[['a']], [['a', 'b']]])('go on when the connection is lost and comes back: %j', async (names) => {
    const { commit, clock, transactions } = await start((_request, server) => {
      server.drop()
      return undefined
    }, done)
    const committed = Promise.all(names.map(commit))
    committed.catch(() => undefined)
    await settled()
    await clock.advance(10_000)
    expect(await committed).toEqual(names)
    expect(transactions()).toHaveLength(1 + names.length)
  })
})
