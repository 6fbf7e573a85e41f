import { once } from 'node:events'
import type { Socket } from 'node:net'
import * as net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, jest } from '@jest/globals'
import { holdTcp } from './tcp-relay'
it('pending at the end', async () => {
  const spy = jest.spyOn(net, 'createConnection')
  let serverSide!: Socket
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (s) => { serverSide = s; s.end() }).listen(0, '127.0.0.1'); await once(server, 'listening')
  const held = await holdTcp('127.0.0.1', 0, { address: '127.0.0.1', port: (server.address() as { port: number }).port })
  const c = net.connect({ port: held.port, host: '127.0.0.1', allowHalfOpen: true }); c.resume()
  await once(c, 'end')
  const upstream = spy.mock.results[0]!.value as Socket
  let sent = 0
  while (upstream.writableLength === 0) { c.write(Buffer.alloc(4096)); sent += 4096; await sleep(0) }
  console.log('pending', upstream.writableLength, 'after', sent)
  c.end(); await once(c, 'close'); await sleep(50)
  let got = 0
  try { for await (const d of serverSide) got += (d as Buffer).length } catch (e) { console.log(String(e)) }
  console.log(got, sent)
  server.close(); await held.release()
  expect(got).toBe(sent)
}, 60000)
