import type { Server, Socket } from 'node:net'
import { createConnection, createServer } from 'node:net'
import { once } from 'node:events'
import type { RelayTarget } from '../../driver/host-ports'
import type { Held } from './held'

/** As many as a port may relay at a time; whoever comes later waits in the kernel's queue or is turned away there. */
const MAX_CONNECTIONS = 1024

/** How long a container may take to accept. */
const CONNECT_MS = 5_000

/** Listens, and joins every client with a connection of its own to the target. Rejects with the bind's error. */
export async function holdTcp(address: string, port: number, target: RelayTarget): Promise<Held> {
  const clients = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client)
    client.once('close', () => clients.delete(client))
    relay(client, target)
  })
  server.maxConnections = MAX_CONNECTIONS
  server.listen({ host: address, port, ipv6Only: true, exclusive: true })
  await once(server, 'listening')
  server.unref()
  const bound = server.address()
  return {
    port: typeof bound === 'object' ? (bound?.port ?? port) : port,
    release: async () => {
      server.close()
      for (const client of clients) client.destroy()
      await once(server, 'close')
    },
  }
}

/** Half-closes pass through; where one side breaks, the other is reset, as the two were one connection. */
function relay(client: Socket, target: RelayTarget): void {
  const upstream = createConnection({ host: target.address, port: target.port, allowHalfOpen: true })
  upstream.setTimeout(CONNECT_MS, () => {
    upstream.destroy(new Error('the container does not accept'))
  })
  upstream.once('connect', () => {
    upstream.setTimeout(0)
  })
  upstream.once('error', () => {
    client.resetAndDestroy()
  })
  client.once('error', () => {
    upstream.resetAndDestroy()
  })
  client.once('close', () => {
    // What the client sent before it ended is still on its way.
    if (client.readableEnded) upstream.destroySoon()
    else upstream.destroy()
  })
  upstream.once('close', () => {
    client.destroySoon()
  })
  client.pipe(upstream)
  upstream.pipe(client)
}
