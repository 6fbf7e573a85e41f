import { describe, expect, it } from '@jest/globals'
import { ConnectionLostError, NotConnectedError, TransactionError } from './errors'
import { never, settled, startFakes, synchroniseFakes, untilAborted, update2 } from './fakes'
import { op } from './index'

describe('synchronising', () => {
  it('asks for the columns that the schema has, and says which it has not', async () => {
    const { server, client, events } = await synchroniseFakes()
    expect(server.received.map(({ method, params }) => [method, params])).toEqual([
      ['get_schema', ['db']],
      ['monitor_cond', ['db', 'replica', { T: [{ columns: ['name', 'ports'] }] }]],
    ])
    expect(events).toContainEqual({
      event: 'synchronised',
      schemaVersion: '1.0.0',
      rows: 1,
      absentColumns: ['T.newer', 'Newer.x'],
    })
    expect(client.replica.rows('T')).toEqual(new Map([['u1', { name: 'a', ports: [1, 2] }]]))
    expect(client.replica.rows('Newer').size).toBe(0)
    expect(client.schema?.tables.get('T')?.has('newer')).toBe(false)
  })

  it('applies an update that arrives with the answer that it builds on, after it', async () => {
    const { client } = await synchroniseFakes({
      monitor_cond: ({ id }, server) => {
        server.send(
          { id, error: null, result: { T: { u1: { initial: { name: 'a', ports: ['set', [1, 2]] } } } } },
          update2({ modify: { ports: ['set', [2, 3]] } }),
        )
        return undefined
      },
    })
    expect(client.replica.rows('T').get('u1')).toEqual({ name: 'a', ports: [1, 3] })
  })

  it('falls back to the monitor of the RFC, and its updates, on an old server', async () => {
    const { server, client } = await synchroniseFakes({
      monitor_cond: () => ({ error: 'unknown method' }),
      monitor: () => ({ result: { T: { u1: { new: { name: 'a', ports: 7 } } } } }),
    })
    expect(client.replica.rows('T').get('u1')).toEqual({ name: 'a', ports: [7] })
    server.send({
      method: 'update',
      params: ['replica', { T: { u1: { old: { name: 'a' }, new: { name: 'b', ports: 7 } } } }],
      id: null,
    })
    await settled()
    expect(client.replica.find('T', 'name', 'b')).toHaveLength(1)
  })

  it('does not pass another error off for an old server', async () => {
    const { server, clock, client, events } = startFakes({
      monitor_cond: () => ({ error: { error: 'syntax error' } }),
    })
    client.start()
    await settled()
    expect(server.methods()).not.toContain('monitor')
    expect(events.at(-1)).toMatchObject({ event: 'disconnected', reason: { serverError: 'syntax error' } })
    // Of the connection nothing is left: what waits is the next attempt.
    expect(clock.pendingTimers).toBe(1)
  })

  it('lets a listener transact as soon as it hears of the first rows', async () => {
    const { client } = startFakes({ transact: () => ({ result: [{}] }) })
    const results: unknown[] = []
    client.replica.onChange(() => {
      client.transact([op.comment('x')], never).then(
        (result) => results.push(result),
        (error: unknown) => results.push(error),
      )
    })
    client.start()
    await settled()
    expect(results).toEqual([[{}]])
  })

  it('keeps to one connection however often it is started', async () => {
    const { server, client } = await synchroniseFakes()
    client.start()
    await settled()
    expect(server.connections).toBe(1)
  })
})

describe('transact', () => {
  const pair = [op.comment('x'), op.remove('T', [])]

  it.each([
    ['each operation', [{}, { count: 2 }], [{}, { count: 2 }]],
    ['an insert', [{ uuid: ['uuid', 'u'] }, {}], [{ uuid: 'u' }, {}]],
  ])('returns the result of %s', async (_what, result, expected) => {
    const { client } = await synchroniseFakes({ transact: () => ({ result }) })
    expect(await client.transact(pair, never)).toEqual(expected)
  })

  it('reads selected rows as it reads those of the replica', async () => {
    const rows = [{ _uuid: ['uuid', 'u'], name: 'a', ports: 1 }]
    const { client } = await synchroniseFakes({ transact: () => ({ result: [{ rows }] }) })
    expect(await client.transact([op.select('T', [])], never)).toEqual([
      { rows: [{ _uuid: 'u', name: 'a', ports: [1] }] },
    ])
  })

  it.each([
    [
      'an operation',
      [{}, { error: 'timed out', details: 'late' }, null],
      1,
      'operation 1 (delete T): timed out: late',
    ],
    ['the first one', [{ error: 'aborted' }, null], 0, 'operation 0 (comment): aborted'],
    [
      'the commit',
      [{}, { count: 1 }, { error: 'constraint violation', details: 'd' }],
      undefined,
      'commit: constraint violation: d',
    ],
  ])('tells the failure of %s', async (_what, result, operationIndex, message) => {
    const { client } = await synchroniseFakes({ transact: () => ({ result }) })
    const error = await client.transact(pair, never).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TransactionError)
    expect(error).toMatchObject({ operationIndex, message })
  })

  it.each([[[{}]], [[{}, null]], ['nonsense']])('does not take %j for two results', async (result) => {
    const { client } = await synchroniseFakes({ transact: () => ({ result }) })
    await expect(client.transact(pair, never)).rejects.toMatchObject({ code: 'protocol' })
  })

  it('is not sent before the replica is complete', async () => {
    const { server, client } = startFakes({ monitor_cond: () => undefined })
    client.start()
    await settled()
    await expect(client.transact(pair, never)).rejects.toBeInstanceOf(NotConnectedError)
    await settled()
    expect(server.methods()).not.toContain('transact')
  })

  it('has an unknown outcome when the connection goes away', async () => {
    const { server, client } = await synchroniseFakes()
    const transaction = client.transact(pair, never)
    await settled()
    server.drop()
    await expect(transaction).rejects.toBeInstanceOf(ConnectionLostError)
  })

  it('is logged with its duration, whatever comes of it', async () => {
    const { server, clock, client, events } = await synchroniseFakes()
    const transaction = client.transact(pair, never)
    await clock.advance(30)
    server.send({ id: server.received.at(-1)?.id, result: [{}, { count: 0 }], error: null })
    await transaction
    expect(events.at(-1)).toEqual({
      event: 'transaction',
      operations: pair,
      outcome: [{}, { count: 0 }],
      ms: 30,
    })
    const lost = client.transact(pair, never)
    server.drop()
    await expect(lost).rejects.toThrow()
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'transaction', outcome: expect.any(ConnectionLostError) }),
    )
  })
})

describe('close', () => {
  it('ends everything that waits, leaves no timer, and does not come back', async () => {
    const { server, clock, client } = await synchroniseFakes()
    const disconnected: Error[] = []
    client.onDisconnected((reason) => disconnected.push(reason))
    const transaction = client.transact([op.comment('x')], never)
    const waiting = client.replica.waitUntil(() => false, never)
    await settled()
    const closed = client.close()
    await expect(transaction).rejects.toBeInstanceOf(ConnectionLostError)
    await expect(waiting).rejects.toBeInstanceOf(NotConnectedError)
    await closed
    expect(client.connected).toBe(false)
    expect(clock.pendingTimers).toBe(0)
    client.start()
    await client.close()
    await clock.advance(60_000)
    expect(server.connections).toBe(1)
    await expect(client.waitSynchronised(never)).rejects.toBeInstanceOf(NotConnectedError)
    expect(disconnected).toEqual([])
  })

  it.each(['while waiting to connect again', 'while connecting', 'while synchronising'])(
    'works %s',
    async (when) => {
      const { server, clock, client } = startFakes({ monitor_cond: () => undefined })
      server.refusing = when === 'while waiting to connect again'
      if (when === 'while connecting') server.gate = untilAborted
      client.start()
      await settled()
      await client.close()
      expect(clock.pendingTimers).toBe(0)
    },
  )

  it('leaves a connection that opens too late', async () => {
    const { server, clock, client } = startFakes()
    let open: () => void = () => undefined
    server.gate = () =>
      new Promise((resolve) => {
        open = resolve
      })
    client.start()
    await settled()
    const closed = client.close()
    open()
    await closed
    await settled()
    expect(server.received).toEqual([])
    expect(server.closedConnections).toBe(1)
    expect(clock.pendingTimers).toBe(0)
  })

  it('works on a client that was never started', async () => {
    const { client } = startFakes()
    await client.close()
    client.start()
    expect(client.connected).toBe(false)
  })
})

it('waitSynchronised waits for the replica, or for its signal', async () => {
  const { server, clock, client } = startFakes()
  server.refusing = true
  client.start()
  const abort = new AbortController()
  const impatient = client.waitSynchronised(abort.signal)
  const patient = client.waitSynchronised(never)
  abort.abort(new Error('enough'))
  await expect(impatient).rejects.toThrow('enough')
  server.refusing = false
  await clock.advance(1000)
  await patient
  expect(client.connected).toBe(true)
})
