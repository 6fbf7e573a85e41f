import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { HostPortRequest, RelayTarget } from '../../driver/host-ports'
import { BoundPorts } from './bound-ports'

let ports: BoundPorts
let cleanups: (() => unknown)[]

beforeEach(() => {
  ports = new BoundPorts()
  cleanups = []
})

afterEach(async () => {
  for (const holder of ports.holders()) await ports.release(holder)
  for (const cleanUp of cleanups.reverse()) await cleanUp()
})

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** A server of the test's own; `port` 0: any. */
async function listen(port: number, host = '127.0.0.1', serve?: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, serve ?? ((socket) => socket.destroy()))
  server.listen({ port, host, ipv6Only: true })
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return portOf(server)
}

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  server.close()
  await once(server, 'close')
  return port
}

const nowhere: RelayTarget = { address: '127.0.0.1', port: 1 }

const request = (more: Partial<HostPortRequest> = {}): HostPortRequest => ({
  protocol: 'tcp',
  bindings: [{ address: '127.0.0.1', target: nowhere }],
  from: 0,
  to: 0,
  ...more,
})

const fixed = (port: number, more: Partial<HostPortRequest> = {}): HostPortRequest =>
  request({ from: port, to: port, ...more })

describe('holding a port', () => {
  it('keeps it from every process until it is released', async () => {
    const port = await ports.hold('e1', request())
    await expect(listen(port)).rejects.toThrow('EADDRINUSE')
    await ports.release('e1')
    await ports.release('e1')
    expect(await listen(port)).toBe(port)
  })

  it('is refused where another process has it, naming the port', async () => {
    const port = await listen(0)
    await expect(ports.hold('e1', fixed(port))).rejects.toThrow(
      `cannot publish tcp port ${port} of 127.0.0.1: it is in use by another process of this host`,
    )
    expect(ports.holders()).toEqual([])
  })

  it.each(['tcp', 'udp', 'sctp'] as const)(
    'of %s is refused where another endpoint has it, naming that',
    async (protocol) => {
      const of = { protocol, bindings: [{ address: '0.0.0.0', target: nowhere }] }
      const port = await ports.hold('0123456789abcdef', request(of))
      await expect(ports.hold('e2', fixed(port, of))).rejects.toThrow(
        `cannot publish ${protocol} port ${port} of 0.0.0.0: it is in use by container endpoint 0123456789ab`,
      )
    },
  )

  it.each(['127.0.0.1', '::1'])('of SCTP is refused at %s, which has a relay alone', async (address) => {
    const bindings = [{ address, target: nowhere }]
    await expect(ports.hold('e1', fixed(9, { protocol: 'sctp', bindings }))).rejects.toThrow(
      `cannot publish sctp port 9 of ${address}: no relay speaks SCTP: leave the address out`,
    )
    expect(ports.holders()).toEqual([])
  })

  it('is the same for the same holder, and another for another protocol', async () => {
    const port = await ports.hold('e1', request())
    expect(await ports.hold('e1', fixed(port))).toBe(port)
    expect(await ports.hold('e2', fixed(port, { protocol: 'udp' }))).toBe(port)
  })

  it('takes the first of a range that is free, and says so where none is', async () => {
    const first = await freePort()
    await ports.hold('e1', fixed(first))
    const range = request({ from: first, to: first + 1 })
    expect(await ports.hold('e2', range)).toBe(first + 1)
    await expect(ports.hold('e3', range)).rejects.toThrow(
      `cannot publish tcp port ${first}-${first + 1} of 127.0.0.1: it is in use by others, each of them`,
    )
  })

  it('binds one number at all addresses, or none of them', async () => {
    const bindings = ['127.0.0.1', '::1'].map((address) => ({ address, target: nowhere }))
    const port = await ports.hold('e1', request({ bindings }))
    await expect(listen(port, '::1')).rejects.toThrow('EADDRINUSE')
    await ports.release('e1')
    await listen(port, '::1')
    await expect(ports.hold('e1', fixed(port, { bindings }))).rejects.toThrow(`port ${port} of ::1`)
    expect(await listen(port)).toBe(port)
  })

  it('says where an address is not of this host', async () => {
    const bindings = [{ address: '192.0.2.77', target: nowhere }]
    await expect(ports.hold('e1', fixed(8080, { bindings }))).rejects.toThrow(
      'cannot publish tcp port 8080 of 192.0.2.77: it is no address of this host',
    )
  })
})

describe('the relay of tcp', () => {
  const held = async (serve: (socket: Socket) => void): Promise<number> => {
    const target = { address: '127.0.0.1', port: await listen(0, '127.0.0.1', serve) }
    return ports.hold('e1', request({ bindings: [{ address: '127.0.0.1', target }] }))
  }

  it('passes both directions whole, and the end of each apart', async () => {
    const port = await held((socket) => {
      let asked = 0
      socket.on('data', (piece) => (asked += piece.length))
      socket.on('end', () => socket.end(`${asked} ${'b'.repeat(1_000_000)}`))
    })
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.end('a'.repeat(1_000_000))
    const [asked, answer = ''] = (await text(client)).split(' ')
    expect([asked, answer.length]).toEqual(['1000000', 1_000_000])
  })

  it('resets the client where the container does not listen', async () => {
    const bindings = [{ address: '127.0.0.1', target: { address: '127.0.0.1', port: await freePort() } }]
    const client = connect(await ports.hold('e1', request({ bindings })), '127.0.0.1')
    const [error] = (await once(client, 'error').catch((reason: unknown) => [reason])) as [Error]
    expect(error.message).toContain('ECONNRESET')
  })

  it('ends what it relays when the port is released', async () => {
    const port = await held(() => undefined)
    const client = connect(port, '127.0.0.1')
    await once(client, 'connect')
    client.on('error', () => undefined)
    const closed = once(client, 'close')
    await ports.release('e1')
    await closed
  })

  it('passes from one address family to the other', async () => {
    const target = {
      address: '127.0.0.1',
      port: await listen(0, '127.0.0.1', (socket) => socket.end('four')),
    }
    const port = await ports.hold('e1', request({ bindings: [{ address: '::1', target }] }))
    expect(await text(connect(port, '::1'))).toBe('four')
  })
})

describe('the relay of udp', () => {
  it('brings every client its own answers', async () => {
    const server = createSocket('udp4')
    server.on('message', (message, { port, address }) => {
      server.send(`re ${message.toString()}`, port, address)
    })
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    cleanups.push(() => server.close())
    const target = { address: '127.0.0.1', port: server.address().port }
    const bindings = [{ address: '127.0.0.1', target }]
    const port = await ports.hold('e1', request({ protocol: 'udp', bindings }))
    const ask = async (question: string): Promise<string> => {
      const client = createSocket('udp4')
      cleanups.push(() => client.close())
      const answer = once(client, 'message') as Promise<[Buffer]>
      client.send(question, port, '127.0.0.1')
      return (await answer)[0].toString()
    }
    expect(await Promise.all(['a', 'b', 'c'].map(ask))).toEqual(['re a', 're b', 're c'])
  })
})

describe('on a kernel without IPv6', () => {
  const absent = Object.assign(new Error('no such family'), { code: 'EAFNOSUPPORT' })
  const wildcards = ['0.0.0.0', '::'].map((address) => ({ address, target: nowhere }))

  it('a port at every address is held once, however often it is asked for, and is then taken for others', async () => {
    let opened = 0
    ports = new BoundPorts((_protocol, address, port) => {
      if (address === '::') return Promise.reject(absent)
      opened += 1
      return Promise.resolve({ port: port === 0 ? 4711 : port, release: () => Promise.resolve() })
    })
    expect(await ports.hold('one', request({ bindings: wildcards }))).toBe(4711)
    expect(await ports.hold('one', fixed(4711, { bindings: wildcards }))).toBe(4711)
    expect(opened).toBe(1)
    await expect(ports.hold('two', fixed(4711, { bindings: wildcards }))).rejects.toThrow(
      'in use by container',
    )
  })
})
