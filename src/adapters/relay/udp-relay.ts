import type { RemoteInfo, Socket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import type { RelayTarget } from '../../driver/host-ports'
import type { Held } from './held'

/** As many clients as a port may have at a time; datagrams of others are dropped. */
const MAX_CLIENTS = 1024

/** How long a client is remembered after its last datagram: half a minute longer than conntrack remembers. */
const IDLE_MS = 90_000

interface Client {
  readonly upstream: Socket
  lastSeen: number
}

const socketFor = (address: string): Socket =>
  createSocket(isIPv6(address) ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' })

/** Binds, and gives every client a socket of its own towards the target. Rejects with the bind's error. */
export async function holdUdp(address: string, port: number, target: RelayTarget): Promise<Held> {
  const clients = new Map<string, Client>()
  const socket = socketFor(address)
  socket.bind({ address, port, exclusive: true })
  await once(socket, 'listening')
  socket.unref()
  // Errors of single datagrams, such as an unreachable client, are nobody's to handle.
  socket.on('error', () => undefined)

  const open = (key: string, from: RemoteInfo): Client => {
    const upstream = socketFor(target.address)
    upstream.unref()
    upstream.on('error', () => undefined)
    upstream.on('message', (answer) => {
      socket.send(answer, from.port, from.address)
    })
    const client = { upstream, lastSeen: Date.now() }
    clients.set(key, client)
    return client
  }
  socket.on('message', (message, from) => {
    const key = `${from.address} ${from.port}`
    const known = clients.get(key)
    if (known === undefined && clients.size >= MAX_CLIENTS) return
    const client = known ?? open(key, from)
    client.lastSeen = Date.now()
    client.upstream.send(message, target.port, target.address)
  })
  const sweeper = setInterval(() => {
    for (const [key, { upstream, lastSeen }] of clients) {
      if (Date.now() - lastSeen < IDLE_MS) continue
      upstream.close()
      clients.delete(key)
    }
  }, IDLE_MS / 3)
  sweeper.unref()
  return {
    port: socket.address().port,
    release: async () => {
      clearInterval(sweeper)
      for (const { upstream } of clients.values()) upstream.close()
      socket.close()
      await once(socket, 'close')
    },
  }
}
