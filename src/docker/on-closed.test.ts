import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createConnection } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { onClosed } from './on-closed'

let responses: ServerResponse[]
const server = createServer((_request, response) => responses.push(response))

beforeEach(async () => {
  responses = []
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

async function request(times: number) {
  const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(times))
  while (responses.length < times) await new Promise((resolve) => setImmediate(resolve))
  return socket
}

describe('onClosed', () => {
  it('tells each of several requests on one connection that it is gone', async () => {
    const socket = await request(2)
    const told = responses.map((response) => new Promise<void>((resolve) => void onClosed(response, resolve)))
    socket.destroy()
    await Promise.all(told)
  })

  it('tells once that a response is complete, and leaves no listener on a connection that stays', async () => {
    const socket = await request(1)
    const [response] = responses
    if (response === undefined) throw new Error('no request came')
    const before = response.req.socket.listenerCount('close')
    let calls = 0
    onClosed(response, () => (calls += 1))
    const connection = response.req.socket
    const complete = once(response, 'close')
    response.end()
    await complete
    expect(calls).toBe(1)
    expect(connection.listenerCount('close')).toBeLessThanOrEqual(before)
    socket.resume().end()
    await once(connection, 'close')
    expect(calls).toBe(1)
  })

  it('tells nothing after it was stopped', async () => {
    const socket = await request(1)
    const [response] = responses
    if (response === undefined) throw new Error('no request came')
    let calls = 0
    onClosed(response, () => (calls += 1))()
    const closed = once(response.req.socket, 'close')
    socket.destroy()
    await closed
    expect(calls).toBe(0)
  })
})
