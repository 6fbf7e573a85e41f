import { once } from 'node:events'
import { connect as connectNet } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from './endpoint'

/**
 * Opens the byte stream to a server; for `ssl` it resolves after the handshake.
 *
 * @throws The system's error, or an AbortError with the signal's reason as its cause.
 */
export async function connectSocket(endpoint: Endpoint, signal: AbortSignal): Promise<Duplex> {
  const { socket, ready } = open(endpoint)
  try {
    await once(socket, ready, { signal })
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function open(endpoint: Endpoint): { readonly socket: Duplex; readonly ready: string } {
  switch (endpoint.kind) {
    case 'unix':
      return { socket: connectNet({ path: endpoint.path }), ready: 'connect' }
    case 'tcp':
      return {
        socket: connectNet({ host: endpoint.host, port: endpoint.port, noDelay: true }),
        ready: 'connect',
      }
    case 'ssl': {
      const { host, port, ca, cert, key } = endpoint
      const own = { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) }
      // Certificates of a private authority (ovs-pki) name switches, not hosts: Open vSwitch trusts whoever the
      // authority signed, and so do we. A public authority signs anybody, so there the host's name counts.
      const trust = ca === undefined ? {} : { ca, checkServerIdentity: () => undefined }
      return { socket: connectTls({ host, port, ...own, ...trust }), ready: 'secureConnect' }
    }
  }
}
