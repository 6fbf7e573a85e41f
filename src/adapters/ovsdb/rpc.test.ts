import { getEventListeners } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { ConnectionLostError, NotConnectedError, ProtocolError, RequestError } from './errors'
import { FakeServer, settled, type Answer } from './fakes'
import { RpcConnection } from './rpc'

async function connected(answers: Record<string, Answer> = {}) {
  const server = new FakeServer(answers)
  const notifications: unknown[] = []
  const ends: string[] = []
  const rpc = new RpcConnection(await server.connect(), {
    onNotification: (method, params) => {
      if (method === 'boom') throw new Error('boom')
      notifications.push([method, params])
    },
    onActivity: () => undefined,
    onClosed: ({ message }) => ends.push(message),
  })
  return { server, rpc, notifications, ends }
}

describe('RpcConnection', () => {
  it('gives each request its own answer, in whatever order they come', async () => {
    const { server, rpc } = await connected()
    const { signal } = new AbortController()
    const first = rpc.request('a', [], { signal })
    const second = rpc.request('b', [])
    await settled()
    const [a, b] = server.received
    server.send({ id: b?.id, result: 'B', error: null }, { id: a?.id, result: 'A', error: null })
    expect(await Promise.all([first, second])).toEqual(['A', 'B'])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('answers an echo, and refuses what it does not know', async () => {
    const { server } = await connected()
    server.send({ method: 'echo', params: ['x'], id: 'echo' }, { method: 'eval', params: [], id: 7 })
    await settled()
    expect(server.received).toMatchObject([
      { id: 'echo', result: ['x'] },
      { id: 7, result: null },
    ])
  })

  it.each([
    [{ error: 'unknown method' }, 'm: unknown method'],
    [
      { error: { error: 'unknown database', details: 'no database x' } },
      'm: unknown database: no database x',
    ],
  ])('rejects on %j', async (answer, message) => {
    const { rpc } = await connected({ m: () => answer })
    const error = await rpc.request('m', []).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(RequestError)
    expect(error).toHaveProperty('message', message)
  })

  it('on abort rejects with the reason, asks the server to cancel, and drops the late answer', async () => {
    const { server, rpc } = await connected()
    const abort = new AbortController()
    const reason = new Error('too long')
    const request = rpc.request('transact', [], { signal: abort.signal, cancel: true })
    await settled()
    abort.abort(reason)
    await expect(request).rejects.toBe(reason)
    await settled()
    const [sent, cancel] = server.received
    expect(cancel).toMatchObject({ method: 'cancel', params: [sent?.id], id: null })
    server.send({ id: sent?.id, result: 'late', error: null })
    await settled()
    const next = rpc.request('next', [])
    await settled()
    server.send({ id: server.received.at(-1)?.id, result: 'next', error: null })
    expect(await next).toBe('next')
  })

  it('sends nothing where the signal was aborted before', async () => {
    const { server, rpc } = await connected()
    await expect(rpc.request('m', [], { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no')
    await settled()
    expect(server.received).toEqual([])
  })

  it('rejects what is pending when the server hangs up, and what comes afterwards', async () => {
    const { server, rpc } = await connected()
    const request = rpc.request('m', [])
    await settled()
    server.drop()
    await expect(request).rejects.toBeInstanceOf(ConnectionLostError)
    await expect(rpc.request('m', [])).rejects.toBeInstanceOf(NotConnectedError)
    expect((await rpc.closed).message).toBe('the server closed the connection')
  })

  it('tells of its end before those who wait for an answer learn of it', async () => {
    const { server, rpc, ends } = await connected()
    const toldBefore = rpc.request('m', []).catch(() => [...ends])
    await settled()
    server.drop()
    expect(await toldBefore).toEqual(['the server closed the connection'])
    rpc.close(new Error('again'))
    expect(ends).toHaveLength(1)
  })

  it.each([['{"id":}'], ['[]'], ['{"method":"boom","params":[],"id":null}']])(
    'ends over %s',
    async (bytes) => {
      const server = new FakeServer()
      const stream = await server.connect()
      const rpc = new RpcConnection(stream, {
        onNotification: () => {
          throw new ProtocolError('boom')
        },
        onActivity: () => undefined,
        onClosed: () => undefined,
      })
      stream.emit('data', Buffer.from(bytes))
      expect(await rpc.closed).toBeInstanceOf(ProtocolError)
      expect(stream.destroyed).toBe(true)
    },
  )

  it('hands on notifications, and nothing more once closed', async () => {
    const { server, rpc, notifications } = await connected()
    server.send({ method: 'update', params: [1], id: null }, { method: 'boom', params: [], id: null })
    server.send({ method: 'update', params: [2], id: null })
    await rpc.closed
    await settled()
    expect(notifications).toEqual([['update', [1]]])
  })

  it('keeps the first reason for closing', async () => {
    const { rpc } = await connected()
    rpc.close(new Error('first'))
    rpc.close(new Error('second'))
    expect((await rpc.closed).message).toBe('first')
    await expect(rpc.request('m', [])).rejects.toMatchObject({ cause: { message: 'first' } })
  })
})
