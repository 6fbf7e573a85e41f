import type { HostPortRequest, HostPorts } from '../../driver/host-ports'
import { shortId } from '../../driver/names'
import { isLoopback } from '../../driver/subnets'
import { DriverError, reasonOf } from '../../errors'
import type { Held } from './held'
import { holdTcp } from './tcp-relay'
import { holdUdp } from './udp-relay'

interface Booking {
  readonly holder: string
  readonly protocol: string
  readonly address: string
  readonly port: number
  readonly held: Held
}

/** How often a number that the kernel chose at one address may be taken at another. */
const EPHEMERAL_ATTEMPTS = 16

const WILDCARDS = new Set(['0.0.0.0', '::'])

/** {@link HostPorts} by sockets of this process. Node has no SCTP: those ports are kept in the books alone. */
export class BoundPorts implements HostPorts {
  private readonly bookings = new Set<Booking>()

  /** @param open binds a socket, and relays what comes to it. */
  constructor(private readonly open: OpenPort = openPort) {}

  async hold(holder: string, request: HostPortRequest): Promise<number> {
    const kept = this.keptPort(holder, request)
    if (kept !== undefined) return kept
    let refusal: DriverError | undefined
    for (const candidate of candidates(request)) {
      try {
        return await this.holdAt(candidate, holder, request)
      } catch (error) {
        if (!(error instanceof DriverError && error.code === 'PORT_TAKEN')) throw error
        refusal = error
      }
    }
    const { from, to, protocol, bindings } = request
    if (from === to && refusal !== undefined) throw refusal
    const addresses = bindings.map(({ address }) => address).join(', ')
    throw DriverError.of('PORT_TAKEN', [protocol, addresses, `${from}-${to}`, 'others, each of them'], {
      cause: refusal,
    })
  }

  async release(holder: string): Promise<void> {
    const released = [...this.bookings].filter((booking) => booking.holder === holder)
    for (const booking of released) this.bookings.delete(booking)
    await Promise.all(released.map((booking) => booking.held.release()))
  }

  holders(): readonly string[] {
    return [...new Set([...this.bookings].map(({ holder }) => holder))]
  }

  private keptPort(holder: string, { protocol, bindings, from, to }: HostPortRequest): number | undefined {
    const own = [...this.bookings].filter(
      (booking) => booking.holder === holder && booking.protocol === protocol,
    )
    const numbers = new Set(own.map(({ port }) => port).filter((port) => port >= from && port <= to))
    return [...numbers].find((port) =>
      bindings.every(({ address }) =>
        own.some((booking) => booking.address === address && booking.port === port),
      ),
    )
  }

  /** Binds the port at every address, or at none. At 0 the first address's choice is the others' too. */
  private async holdAt(
    port: number,
    holder: string,
    { protocol, bindings }: HostPortRequest,
  ): Promise<number> {
    const made: Booking[] = []
    const absent: string[] = []
    const book = (address: string, held: Held): Booking => {
      const booking = { holder, protocol, address, port: held.port, held }
      this.bookings.add(booking)
      return booking
    }
    try {
      for (const { address, target } of bindings) {
        const number = made[0]?.port ?? port
        this.refuseBooked(protocol, address, number)
        const held = await bind(protocol, address, number, () => this.open(protocol, address, number, target))
        if (held === undefined) absent.push(address)
        else made.push(book(address, held))
      }
    } catch (error) {
      for (const booking of made) this.bookings.delete(booking)
      await Promise.all(made.map((booking) => booking.held.release()))
      throw error
    }
    const chosen = made[0]?.port ?? port
    // Or a later look would miss them, and find the port in use by its own holder.
    for (const address of absent) book(address, unbound(chosen))
    return chosen
  }

  private refuseBooked(protocol: string, address: string, port: number): void {
    const other = [...this.bookings].find(
      (booking) =>
        booking.protocol === protocol && booking.port === port && isSameOrWildcard(booking.address, address),
    )
    if (other === undefined) return
    const holder = `container endpoint ${shortId(other.holder)}`
    throw DriverError.of('PORT_TAKEN', [protocol, address, String(port), holder])
  }
}

function* candidates({ protocol, from, to }: HostPortRequest): Generator<number> {
  if (from === 0 && protocol !== 'sctp') for (let n = 0; n < EPHEMERAL_ATTEMPTS; n += 1) yield 0
  // IANA's range for whoever wants any port (RFC 6335 section 6): without a socket nobody else chooses.
  const [first, last] = from === 0 ? [49_152, 65_535] : [from, to]
  for (let port = first; port <= last; port += 1) yield port
}

function isSameOrWildcard(a: string, b: string): boolean {
  if (a.includes(':') !== b.includes(':')) return false
  return a === b || WILDCARDS.has(a) || WILDCARDS.has(b)
}

type OpenPort = (
  protocol: HostPortRequest['protocol'],
  address: string,
  port: number,
  target: HostPortRequest['bindings'][number]['target'],
) => Promise<Held>

const openPort: OpenPort = (protocol, address, port, target) => {
  switch (protocol) {
    case 'tcp':
      return holdTcp(address, port, target)
    case 'udp':
      return holdUdp(address, port, target)
    case 'sctp':
      return bookSctp(address, port)
  }
}

/** The packet filter redirects what comes for the host's other addresses: a loopback address has nothing but a relay. */
function bookSctp(address: string, port: number): Promise<Held> {
  if (!isLoopback(address)) return Promise.resolve(unbound(port))
  const reason = "no relay speaks SCTP: leave the address out, or name another of this host's"
  return Promise.reject(DriverError.of('PORT_UNBINDABLE', ['sctp', address, port, reason]))
}

function unbound(port: number): Held {
  return { port, release: () => Promise.resolve() }
}

/** `undefined` for the wildcard of a family that this kernel does not have. */
async function bind(
  protocol: string,
  address: string,
  port: number,
  attempt: () => Promise<Held>,
): Promise<Held | undefined> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof DriverError) throw error
    const code = (error as NodeJS.ErrnoException).code
    if (WILDCARDS.has(address) && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL')) return undefined
    if (code === 'EADDRINUSE') {
      const holder = 'another process of this host'
      throw DriverError.of('PORT_TAKEN', [protocol, address, String(port), holder], { cause: error })
    }
    const reason = code === 'EADDRNOTAVAIL' ? 'it is no address of this host' : reasonOf(error)
    throw DriverError.of('PORT_UNBINDABLE', [protocol, address, port, reason], { cause: error })
  }
}
