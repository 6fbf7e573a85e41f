import { describe, expect, it } from '@jest/globals'
import { NotConnectedError } from './errors'
import { never, schema, settled, startFakes, synchroniseFakes, untilAborted, update2 } from './fakes'
import { op } from './index'

describe('reconnecting', () => {
  it('waits twice as long each time, up to eight seconds, and less by the jitter', async () => {
    for (const [random, share] of [
      [0, 1],
      [0.999999, 0.75],
    ] as const) {
      const { server, clock, client, events } = startFakes({}, random)
      server.refusing = true
      client.start()
      await clock.advance(60_000)
      const waits = events.flatMap((event) => (event.event === 'disconnected' ? [event.retryInMs] : []))
      const expected = [125, 250, 500, 1000, 2000, 2000, 2000, 2000].map((ms) => ms * share)
      expect(waits.slice(0, 8).map((ms) => Math.round(ms))).toEqual(expected.map((ms) => Math.round(ms)))
    }
  })

  it('starts over with short waits only after a connection that lasted', async () => {
    const { server, clock, events } = await synchroniseFakes()
    const waitAfterDrop = async () => {
      server.drop()
      await settled()
      const last = events.at(-1)
      const wait = last?.event === 'disconnected' ? last.retryInMs : NaN
      await clock.advance(wait)
      return wait
    }
    expect(await waitAfterDrop()).toBe(125)
    expect(await waitAfterDrop()).toBe(250)
    await clock.advance(2000)
    expect(await waitAfterDrop()).toBe(125)
  })

  it('is known before a transaction is given up for lost', async () => {
    const { client } = await synchroniseFakes({
      transact: (_request, server) => {
        server.drop()
        return undefined
      },
    })
    const connectedAfterwards = client.transact([op.comment('x')], never).catch(() => client.connected)
    expect(await connectedAfterwards).toBe(false)
  })

  it('says so at once, keeps what it knew, and tells the differences when it is back', async () => {
    const { server, clock, client } = await synchroniseFakes()
    const heard: unknown[] = []
    client.onDisconnected((reason) => heard.push(reason.message))
    client.onSynchronised(() => heard.push('synchronised'))
    client.replica.onChange((changes) => heard.push(changes))
    server.drop()
    await settled()
    expect(client.connected).toBe(false)
    expect(client.replica.rows('T').size).toBe(1)
    await expect(client.transact([op.comment('x')], never)).rejects.toBeInstanceOf(NotConnectedError)

    server.answers['monitor_cond'] = () => ({ result: { T: { u2: { initial: { name: 'b' } } } } })
    await clock.advance(125)
    expect(client.connected).toBe(true)
    expect(heard).toEqual([
      'the server closed the connection',
      [
        { table: 'T', uuid: 'u1', before: { name: 'a', ports: [1, 2] } },
        { table: 'T', uuid: 'u2', after: { name: 'b', ports: [] } },
      ],
      'synchronised',
    ])
  })

  it('reads the schema again, and reads rows by it', async () => {
    const { server, clock, client } = await synchroniseFakes()
    server.answers['get_schema'] = () => ({
      result: { ...schema, version: '2.0.0', tables: { T: { columns: { newer: { type: 'boolean' } } } } },
    })
    server.answers['monitor_cond'] = () => ({ result: { T: { u1: { initial: { newer: true } } } } })
    server.drop()
    await clock.advance(125)
    expect(client.schema?.version).toBe('2.0.0')
    expect(client.replica.rows('T').get('u1')).toEqual({ newer: true })
  })

  it.each([
    ['the replica lost its place', update2({ modify: { name: 'x' } }), 'u9'],
    ['the server cancelled the monitor', { method: 'monitor_canceled', params: ['replica'], id: null }, 'u1'],
  ])('connects again where %s', async (_why, message, uuid) => {
    const { server, clock, client } = await synchroniseFakes({
      monitor_cond: () => ({ result: { T: { [uuid]: { initial: {} } } } }),
    })
    server.send(message)
    await settled()
    expect(client.connected).toBe(false)
    await clock.advance(125)
    expect(client.connected).toBe(true)
    expect(server.connections).toBe(2)
  })

  it('gives an attempt up that takes five seconds', async () => {
    const { server, clock, client, events } = startFakes()
    server.gate = untilAborted
    client.start()
    await clock.advance(4999)
    expect(events).toHaveLength(1)
    await clock.advance(1)
    expect(events.at(-1)).toMatchObject({
      event: 'disconnected',
      reason: { message: 'no connection within 5 s' },
    })
  })

  it('counts silence from the last word of the server', async () => {
    const { server, clock } = await synchroniseFakes()
    await clock.advance(3000)
    server.send(update2({ modify: { name: 'b' } }))
    await clock.advance(4999)
    expect(server.methods()).not.toContain('echo')
    await clock.advance(1)
    expect(server.methods()).toContain('echo')
  })

  it('asks a silent server after five seconds and leaves it after ten', async () => {
    const { server, clock, client } = await synchroniseFakes()
    await clock.advance(4999)
    expect(server.methods()).not.toContain('echo')
    await clock.advance(1)
    expect(server.methods()).toContain('echo')
    await clock.advance(60_000)
    expect(server.connections).toBe(1)

    delete server.answers['echo']
    const reasons: string[] = []
    client.onDisconnected((reason) => reasons.push(reason.message))
    await clock.advance(10_000)
    expect(reasons).toEqual(['the server was silent for 10 s'])
  })

  it('leaves a server that takes the connection and never answers', async () => {
    const { clock, client, events } = startFakes({ get_schema: () => undefined, echo: () => undefined })
    client.start()
    await clock.advance(10_000)
    expect(events).toContainEqual(expect.objectContaining({ event: 'disconnected' }))
  })
})
