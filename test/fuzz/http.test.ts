import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { recordingDriver } from '../../src/docker/recording-driver'
import type { Server } from '../../src/docker/server'
import { createServer } from '../../src/docker/server'
import { createLogger } from '../../src/log'
import { Connection, requestText } from '../protocol/connection'
import { networkBody } from '../protocol/engine'
import { cut, cuts, fuzzRuns, mutated } from './mutations'

const N = 'a'.repeat(64)
const E = 'b'.repeat(64)
const ids = { NetworkID: N, EndpointID: E }

/** What an engine writes, once with its length and once in chunks. */
const requests = [
  requestText('/Plugin.Activate', { host: '' }),
  requestText('/NetworkDriver.GetCapabilities', { host: 'plugin.moby.localhost' }),
  requestText('/NetworkDriver.CreateNetwork', {
    host: '',
    body: JSON.stringify(networkBody(N, { generic: { 'ovs.bridge.vlan': '7' } })),
  }),
  requestText('/NetworkDriver.CreateEndpoint', {
    host: '',
    body: JSON.stringify({ ...ids, Interface: { Address: '10.9.0.2/24' }, Options: {} }),
  }),
  requestText('/NetworkDriver.Join', {
    host: '',
    body: JSON.stringify({ ...ids, SandboxKey: '/x', Options: {} }),
  }),
  'POST /NetworkDriver.Leave HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n' +
    `${JSON.stringify(ids).length.toString(16)}\r\n${JSON.stringify(ids)}\r\n0\r\n\r\n`,
]

let folder: string
let socketPath: string
let server: Server
/** Of what was logged as an error: faults of ours. */
const errors: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fuzz-'))
  socketPath = join(folder, 'ovs.sock')
  const log = createLogger({ level: 'error', output: { write: (line) => errors.push(line) } })
  const operator = { differences: () => Promise.resolve([]), setPeers: () => Promise.resolve([]) }
  server = createServer({ driver: recordingDriver(), operator, log })
  await server.listen(socketPath)
})

afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

/** What the server said to these bytes until it closed the connection, whose other half ended behind them. */
async function say(chunks: readonly Buffer[]): Promise<string> {
  const socket = createConnection({ path: socketPath, allowHalfOpen: true })
  socket.on('error', () => undefined)
  let said = ''
  socket.setEncoding('latin1').on('data', (text: string) => (said += text))
  // Not by once(), which an error would reject.
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const chunk of chunks) {
    socket.write(chunk)
    await new Promise((resolve) => setImmediate(resolve))
  }
  socket.end()
  await closed
  return said
}

describe('whatever bytes come', () => {
  it('are answered in HTTP or the connection ends, and the next engine is served', async () => {
    await fc.assert(
      fc.asyncProperty(mutated(requests), cuts, async (bytes, places) => {
        const said = await say(cut(bytes, places))
        expect(said).toMatch(/^(HTTP\/1\.1 [1-4]\d\d |$)/)
        const next = await Connection.open(socketPath)
        const { status } = await next.exchange(requestText('/NetworkDriver.GetCapabilities', { host: '' }))
        next.close()
        expect(status).toBe(200)
      }),
      { numRuns: fuzzRuns },
    )
    expect(errors).toEqual([])
  }, 600_000)

  it('a body over the limit is refused before it has come, and nesting without end is no crash', async () => {
    const head = 'POST /NetworkDriver.CreateNetwork HTTP/1.1\r\nHost: \r\nContent-Length: '
    expect(await say([Buffer.from(`${head}${2 ** 40}\r\n\r\n{`)])).toMatch(/^HTTP\/1\.1 413 /)
    const deep = '['.repeat(500_000)
    expect(await say([Buffer.from(`${head}${deep.length}\r\n\r\n${deep}`)])).toMatch(/^HTTP\/1\.1 400 /)
  })
})
