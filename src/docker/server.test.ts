import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer as createNetServer, createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { NetworkDriver } from '../driver/api'
import { DriverError } from '../errors'
import { createLogger } from '../log'
import type { Operator } from './operator'
import { recordingDriver } from './recording-driver'
import type { Server } from './server'
import { createServer } from './server'

const N = 'a'.repeat(64)
const E = 'b'.repeat(64)
const nothing = (): Promise<readonly string[]> => Promise.resolve([])
const operator: Operator = { differences: nothing, setPeers: nothing }
const ids = JSON.stringify({ NetworkID: N, EndpointID: E })

let dir: string
let socketPath: string
const ends: (() => unknown)[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'edge-'))
  socketPath = join(dir, 'ovs.sock')
})

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await rm(dir, { recursive: true, force: true })
})

async function serve(answers: Partial<NetworkDriver> = {}, deadlineMs?: number) {
  const lines: Record<string, unknown>[] = []
  const output = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) }
  const driver = recordingDriver(answers)
  const log = createLogger({ level: 'debug', output })
  const server = createServer({
    driver,
    operator,
    log,
    ...(deadlineMs !== undefined && {
      deadlinesMs: { standard: deadlineMs, createEndpoint: deadlineMs },
    }),
  })
  await listen(server)
  return { server, driver, lines }
}

async function listen(server: Server): Promise<void> {
  await server.listen(socketPath)
  ends.push(() => server.close())
}

async function connect(): Promise<Socket> {
  const socket = createConnection(socketPath)
  ends.push(() => socket.destroy())
  await once(socket, 'connect')
  // The server may close a connection whose request it did not read to the end.
  socket.on('error', () => undefined)
  return socket
}

interface Answer {
  readonly status: number
  readonly head: string
  readonly body: unknown
}

/** Sends exactly `text` and reads one response. */
async function exchange(socket: Socket, text: string): Promise<Answer> {
  socket.write(text)
  let received = ''
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    received += chunk.toString()
    const [head = '', body] = received.split('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
    if (body === undefined || Buffer.byteLength(body) < length) continue
    return { status: Number(head.split(' ')[1]), head, body: JSON.parse(body) }
  }
}

const post = (path: string, body: string, headers = 'Host: \r\n') =>
  `POST ${path} HTTP/1.1\r\n${headers}User-Agent: Go-http-client/1.1\r\n` +
  `Content-Length: ${Buffer.byteLength(body)}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n${body}`

const call = async (method: string, body = ids) =>
  exchange(await connect(), post(`/NetworkDriver.${method}`, body))

function deferred<Value = void>() {
  let resolve: (value: Value) => void = () => undefined
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

const never = () => new Promise<never>(() => undefined)

describe('transport', () => {
  it.each([
    ['an empty Host', 'Host: \r\n'],
    ['the Host of newer engines', 'Host: plugin.moby.localhost\r\n'],
    ['an escaped path for a Host', 'Host: %2Frun%2Fdocker%2Fplugins%2Fovs.sock\r\n'],
    ['a path for a Host', 'Host: /run/docker/plugins/ovs.sock\r\n'],
    ['no Host', ''],
    ['a Content-Type', 'Host: x\r\nContent-Type: application/json\r\n'],
    ['a Content-Type of its own', 'Host: x\r\nContent-Type: application/vnd.docker.plugins.v1+json\r\n'],
  ])('takes requests with %s', async (_what, headers) => {
    const { driver } = await serve()
    const answer = await exchange(await connect(), post('/NetworkDriver.Leave', ids, headers))
    expect(answer).toMatchObject({ status: 200, body: {} })
    expect(driver.calls).toEqual([['leave', { networkId: N, endpointId: E }]])
  })

  it("answers in the protocol's content type, and promises no end of an idle connection", async () => {
    await serve()
    const { head } = await call('Leave')
    expect(head).toMatch(/^content-type: application\/vnd\.docker\.plugins\.v1\.2\+json[;\r]/im)
    expect(head).not.toMatch(/^keep-alive:/im)
  })

  it('serves many requests on one connection', async () => {
    const { driver } = await serve()
    const socket = await connect()
    for (let request = 0; request < 5; request++) {
      expect((await exchange(socket, post('/NetworkDriver.Leave', ids))).status).toBe(200)
    }
    expect(driver.calls).toHaveLength(5)
  })

  it('has no limit of time for requests, their headers and idle connections', async () => {
    const { server } = await serve()
    const { keepAliveTimeout, requestTimeout, headersTimeout, timeout } = server.app.server
    expect([keepAliveTimeout, requestTimeout, headersTimeout, timeout]).toEqual([0, 0, 0, 0])
  })
})

describe('what is no request', () => {
  it.each([
    'GwAllocCheck',
    'AllocateNetwork',
    'FreeNetwork',
    'CreateNetwork',
    'DeleteNetwork',
    'CreateEndpoint',
    'EndpointOperInfo',
    'Join',
    'Leave',
    'DeleteEndpoint',
    'ProgramExternalConnectivity',
    'RevokeExternalConnectivity',
    'DiscoverNew',
    'DiscoverDelete',
  ])('%s without a body is refused', async (method) => {
    const { driver } = await serve()
    expect(await call(method, '')).toMatchObject({
      status: 400,
      body: { Err: expect.stringMatching(/^bad request: the request has no body: .+/) },
    })
    expect(driver.calls).toEqual([])
  })

  it('refuses a body that is not JSON', async () => {
    const { driver } = await serve()
    expect(await call('Leave', `${ids}}`)).toMatchObject({
      status: 400,
      body: { Err: expect.stringMatching(/^bad request: the body is not JSON: /) },
    })
    expect(driver.calls).toEqual([])
  })

  it('refuses a body over 1 MiB', async () => {
    const { driver } = await serve()
    expect(await call('Leave', `"${'x'.repeat(1 << 20)}"`)).toMatchObject({
      status: 413,
      body: { Err: expect.stringMatching(/^bad request: .*too large/) },
    })
    expect(driver.calls).toEqual([])
  })

  it.each([
    [404, 'POST /NetworkDriver.Fly HTTP/1.1'],
    [404, 'GET /NetworkDriver.Leave HTTP/1.1'],
    [404, 'POST / HTTP/1.1'],
    [400, 'POST /%zz HTTP/1.1'],
  ])('answers %s with an Err to %s', async (status, line) => {
    await serve()
    const answer = await exchange(await connect(), `${line}\r\nHost: \r\nContent-Length: 0\r\n\r\n`)
    expect(answer).toMatchObject({ status, body: { Err: expect.stringMatching(/.+/) } })
  })
})

describe('errors', () => {
  it('hands the words of a DriverError to the user', async () => {
    const error = DriverError.of('NETWORK_UNKNOWN', ['abc'])
    const { lines } = await serve({ createEndpoint: () => Promise.reject(error) })
    expect(await call('CreateEndpoint')).toMatchObject({ status: 200, body: { Err: error.message } })
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([
      {
        time: expect.any(String),
        level: 'warn',
        msg: 'request failed',
        method: 'CreateEndpoint',
        network: 'a'.repeat(12),
        endpoint: 'b'.repeat(12),
        ms: expect.any(Number),
        error: error.message,
      },
    ])
  })

  it('turns an exception into an Err, and logs it with its stack', async () => {
    const { lines } = await serve({ leave: () => Promise.reject(new TypeError('x is undefined')) })
    expect(await call('Leave')).toMatchObject({
      status: 500,
      body: { Err: 'internal error: x is undefined' },
    })
    expect(lines.filter(({ level }) => level === 'error')).toMatchObject([
      { method: 'Leave', stack: expect.stringMatching(/^TypeError[\s\S]+server\.test/) },
    ])
  })
})

describe('log', () => {
  it('has one line of debug for a request that went well', async () => {
    const { lines } = await serve()
    await call('Leave')
    await until(() => lines.length > 0)
    expect(lines).toEqual([
      {
        time: expect.any(String),
        level: 'debug',
        msg: 'request',
        method: 'Leave',
        network: 'a'.repeat(12),
        endpoint: 'b'.repeat(12),
        ms: expect.any(Number),
        status: 200,
      },
    ])
  })
})

describe('time', () => {
  it('answers at the deadline, whatever the driver does', async () => {
    await serve({ createEndpoint: never }, 50)
    expect(await call('CreateEndpoint')).toMatchObject({
      status: 200,
      body: { Err: `gave up to create endpoint ${'b'.repeat(12)} after 0.05 seconds` },
    })
  })

  it('leaves the driver time to say why before the deadline', async () => {
    const unreachable = DriverError.of('OVS_UNREACHABLE', ['unix:x', 'refused'])
    const createNetwork = (_request: unknown, signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          setTimeout(reject, 5, unreachable)
        })
      })
    await serve({ createNetwork }, 500)
    expect((await call('CreateNetwork')).body).toEqual({ Err: unreachable.message })
  })

  it('does not abort a call that settled', async () => {
    let seen: AbortSignal | undefined
    const leave = (_endpoint: unknown, signal: AbortSignal) => {
      seen = signal
      return Promise.resolve()
    }
    await serve({ leave }, 20)
    const socket = await connect()
    await exchange(socket, post('/NetworkDriver.Leave', ids))
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(seen?.aborted).toBe(false)
  })

  it.each([
    ['hangs up', (socket: Socket) => socket.destroy()],
    ['closes its side', (socket: Socket) => socket.end()],
  ])('aborts the call when the engine %s', async (_what, leave) => {
    const started = deferred<AbortSignal>()
    const createEndpoint = (_request: unknown, signal: AbortSignal) => {
      started.resolve(signal)
      return never()
    }
    await serve({ createEndpoint }, 500)
    const socket = await connect()
    socket.write(post('/NetworkDriver.CreateEndpoint', ids))
    const signal = await started.promise
    expect(signal.aborted).toBe(false)
    leave(socket)
    await once(signal, 'abort')
    expect(String(signal.reason)).toContain('hung up')
  })
})

describe('listen', () => {
  it('replaces the socket file of a process that died', async () => {
    const script = 'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, 9))'
    spawnSync(process.execPath, ['-e', script, socketPath])
    expect(await readdir(dir)).toEqual(['ovs.sock'])
    await serve()
    expect((await call('Leave')).status).toBe(200)
  })

  it("leaves a living process's socket alone", async () => {
    const other = createNetServer((socket) => socket.on('error', () => undefined).end('other'))
    other.listen(socketPath)
    await once(other, 'listening')
    ends.push(() => other.close())
    const log = createLogger({ level: 'error', output: { write: () => undefined } })
    const server = createServer({ driver: recordingDriver(), operator, log })
    await expect(server.listen(socketPath)).rejects.toThrow(`another process serves ${socketPath}`)
    const [data] = (await once(await connect(), 'data')) as [Buffer]
    expect(data.toString()).toBe('other')
  })
})

describe('close', () => {
  it('answers what is under way, drops idle connections and removes the socket', async () => {
    const begun = deferred()
    const finish = deferred()
    const { server } = await serve({
      leave: async () => {
        begun.resolve()
        await finish.promise
      },
    })
    const fresh = await connect()
    const used = await connect()
    const busy = await connect()
    await exchange(used, post('/NetworkDriver.GetCapabilities', ''))
    const answer = exchange(busy, post('/NetworkDriver.Leave', ids))
    await begun.promise
    const dropped = [fresh, used, busy].map((socket) => once(socket.resume(), 'close'))
    const closed = server.close()
    await until(async () => (await readdir(dir)).length === 0)
    finish.resolve()
    expect(await answer).toMatchObject({ status: 200, body: {} })
    await Promise.all([closed, ...dropped])
  })
})

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5))
}
