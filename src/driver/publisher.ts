import ipaddr from 'ipaddr.js'
import { DriverError, reasonOf } from '../errors'
import type { Logger } from '../log'
import type { PortBinding } from './api'
import type { Attempt } from './attempt'
import type { Clock } from './clock'
import { heldPort } from './desired'
import type { HostPorts } from './host-ports'
import type { KeyedLock } from './keyed-lock'
import { lockKey } from './locks'
import { shortId } from './names'
import type { EndpointRecord, NetworkRecord, PublishedRecord, Records } from './records'
import type { Routing } from './routing'

/** What may not end with the request that began it: taking back what it made. */
const UNDO_MS = 5_000

/** Publishes containers' ports at ports of the host: held by sockets, redirected by the packet filter, and recorded. */
export class Publisher {
  /** Published ports that could not be held again, so that each is told once. */
  private readonly unheld = new Set<string>()

  constructor(
    private readonly records: Records,
    private readonly ports: HostPorts,
    private readonly routing: Routing,
    private readonly locks: KeyedLock,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * All or nothing; what the endpoint published before is withdrawn.
   *
   * @throws DriverError `PORT_TAKEN`, `BAD_REQUEST`, `FIREWALL_FAILED`
   */
  async publish(
    endpoint: EndpointRecord,
    network: NetworkRecord,
    bindings: readonly PortBinding[],
    signal: AbortSignal,
  ): Promise<EndpointRecord> {
    bindings.forEach(checkHostAddress)
    if (endpoint.published.length > 0) await this.withdraw(endpoint, signal)
    const published: PublishedRecord[] = []
    try {
      for (const binding of bindings) published.push(await this.hold(endpoint, binding))
      const record = { ...endpoint, published }
      await this.routing.publish(record, network, signal)
      signal.throwIfAborted()
      return record
    } catch (error) {
      await this.undo({ ...endpoint, published })
      throw error
    }
  }

  /** Takes back what an endpoint publishes, its record's part of it too. Idempotent. */
  async withdraw(endpoint: EndpointRecord, signal: AbortSignal): Promise<void> {
    if (endpoint.published.length === 0) return
    try {
      await this.routing.unpublish(endpoint, signal)
    } finally {
      await this.ports.release(endpoint.id)
    }
  }

  /** Holds what the records say and nobody holds, and releases what they no longer say. */
  async reconcile(attempt: Attempt): Promise<void> {
    const recorded = this.records.endpoints().filter(({ published }) => published.length > 0)
    const ids = new Set([...this.ports.holders(), ...recorded.map(({ id }) => id)])
    for (const id of ids) {
      // A request holds ports before it records them, and has the lock meanwhile.
      const holdOrRelease = async (): Promise<void> => {
        const endpoint = this.records.endpoint(id)
        if (endpoint === undefined || endpoint.published.length === 0) await this.ports.release(id)
        else await this.holdAgain(endpoint)
      }
      await attempt('published ports', shortId(id), () => this.locks.run(lockKey.endpoint(id), holdOrRelease))
    }
  }

  private async hold(endpoint: EndpointRecord, binding: PortBinding): Promise<PublishedRecord> {
    const { protocol, hostAddress, containerPort, hostPort: from, hostPortEnd: to } = binding
    const wanted = { protocol, containerPort, ...(hostAddress === undefined ? {} : { hostAddress }) }
    const hostPort = await this.ports.hold(endpoint.id, heldPort(endpoint, wanted, from, to))
    return { ...wanted, hostPort }
  }

  private async holdAgain(endpoint: EndpointRecord): Promise<void> {
    for (const published of endpoint.published) {
      const { hostPort } = published
      const port = describePort(published)
      try {
        await this.ports.hold(endpoint.id, heldPort(endpoint, published, hostPort, hostPort))
        this.unheld.delete(port)
      } catch (error) {
        if (this.unheld.has(port)) continue
        this.unheld.add(port)
        // The packet filter still redirects the port; what the relay serves is lost until the other lets it go.
        const reason = reasonOf(error)
        this.log.warn('published port not held', { endpoint: shortId(endpoint.id), port, reason })
      }
    }
  }

  private async undo(endpoint: EndpointRecord): Promise<void> {
    try {
      await this.withdraw(endpoint, this.clock.deadline(UNDO_MS))
    } catch (error) {
      this.log.warn('undo failed', { endpoint: shortId(endpoint.id), reason: reasonOf(error) })
    }
  }
}

/** As Docker's client prints it: `0.0.0.0:8080->80/tcp`. */
export function describePort({ protocol, hostAddress, hostPort, containerPort }: PublishedRecord): string {
  const address = hostAddress ?? '*'
  return `${address.includes(':') ? `[${address}]` : address}:${hostPort}->${containerPort}/${protocol}`
}

function checkHostAddress({ hostAddress }: PortBinding): void {
  if (hostAddress !== undefined && !ipaddr.isValid(hostAddress)) {
    throw DriverError.of('BAD_REQUEST', [`${hostAddress} is not an address of a host`])
  }
}
