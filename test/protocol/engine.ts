import { randomBytes } from 'node:crypto'
import type { Netns } from '../fixtures/netns'
import type { Reply } from './connection'
import { Connection, requestText } from './connection'

/** A call that Docker takes for failed; the message is what its user reads. */
class CallFailed extends Error {}

export interface Ids {
  readonly NetworkID: string
  readonly EndpointID: string
}

export interface Interface {
  readonly Address?: string
  readonly AddressIPv6?: string
  readonly MacAddress?: string
}

export interface Joined {
  readonly InterfaceName: { readonly SrcName: string; readonly DstPrefix: string }
  readonly Gateway?: string
  readonly GatewayIPv6?: string
  readonly DisableGatewayService?: boolean
}

/** An endpoint whose link the engine has moved into a container. */
export interface Attached extends Ids {
  readonly container: Netns
  readonly link: string
  readonly joined: Joined
}

export interface NetworkOptions {
  readonly ipv4?: readonly object[] | null
  readonly ipv6?: readonly object[] | null
  readonly generic?: Readonly<Record<string, string>>
  readonly internal?: boolean
}

/** 64 hex digits, as Docker makes them. */
export const newId = (): string => randomBytes(32).toString('hex')

/** Speaks to a plugin as Docker's engine does: its bytes, its connections, its order of calls, its work on links. */
export class Engine {
  private readonly idle: Connection[] = []
  private readonly open = new Set<Connection>()

  /** @param host what stands in the Host header: empty up to 20.10.25, later `plugin.moby.localhost`. */
  constructor(
    readonly socketPath: string,
    private readonly host = 'plugin.moby.localhost',
  ) {}

  /** Sends `body` as it is where it is text, else as JSON; the reply as it came. */
  async post(path: string, body: unknown = ''): Promise<Reply> {
    const connection = await this.take()
    const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`
    const reply = await connection.exchange(requestText(path, { host: this.host, body: text }))
    this.idle.push(connection)
    return reply
  }

  /** One call; rejects with {@link CallFailed} wherever Docker would, and with the words it would use. */
  async call(method: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    const { status, text } = await this.post(`/NetworkDriver.${method}`, body)
    if (text === '') throw new CallFailed('EOF')
    const answer = JSON.parse(text) as { readonly Err?: string }
    if (status !== 200) throw new CallFailed(`NetworkDriver.${method}: ${answer.Err ?? text}`)
    if (answer.Err !== undefined && answer.Err !== '') throw new CallFailed(`remote: ${answer.Err}`)
    return answer
  }

  async createNetwork(options: NetworkOptions = {}, NetworkID = newId()): Promise<string> {
    await this.call('CreateNetwork', networkBody(NetworkID, options))
    return NetworkID
  }

  async createEndpoint(
    NetworkID: string,
    assigned: Interface,
    options: Readonly<Record<string, unknown>> = {},
    EndpointID = newId(),
  ): Promise<Ids & { readonly returned: Interface }> {
    const Options = {
      'com.docker.network.endpoint.exposedports': [],
      'com.docker.network.portmap': [],
      ...options,
    }
    const Interface = { Address: '', AddressIPv6: '', MacAddress: '', ...assigned }
    const answer = await this.call('CreateEndpoint', { NetworkID, EndpointID, Interface, Options })
    return { NetworkID, EndpointID, returned: answer['Interface'] ?? {} }
  }

  /** The namespace does not exist yet where an engine up to 27 calls. */
  async join({ NetworkID, EndpointID }: Ids): Promise<Joined> {
    const SandboxKey = `/var/run/docker/netns/${EndpointID.slice(0, 12)}`
    const Options = { 'com.docker.network.endpoint.exposedports': [], 'com.docker.network.portmap': [] }
    const answer = await this.call('Join', { NetworkID, EndpointID, SandboxKey, Options })
    return answer as unknown as Joined
  }

  /**
   * What libnetwork does when a container starts: an endpoint, its link moved into the container's namespace, named,
   * addressed and set up, and the default route.
   */
  async attach(
    host: Netns,
    container: Netns,
    NetworkID: string,
    assigned: Interface,
    options?: Readonly<Record<string, unknown>>,
  ): Promise<Attached> {
    const { EndpointID, returned } = await this.createEndpoint(NetworkID, assigned, options)
    const joined = await this.join({ NetworkID, EndpointID })
    const { SrcName, DstPrefix } = joined.InterfaceName
    const link = `${DstPrefix}0`
    await host.exec('ip', 'link', 'set', 'dev', SrcName, 'netns', container.name)
    const ip = (...args: readonly string[]) => container.exec('ip', ...args)
    await ip('link', 'set', 'dev', SrcName, 'down')
    await ip('link', 'set', 'dev', SrcName, 'name', link)
    const mac = assigned.MacAddress ?? returned.MacAddress
    if (mac !== undefined) await ip('link', 'set', 'dev', link, 'address', mac)
    if (assigned.Address !== undefined) await ip('addr', 'add', assigned.Address, 'dev', link)
    if (assigned.AddressIPv6 !== undefined)
      await ip('addr', 'add', assigned.AddressIPv6, 'dev', link, 'nodad')
    await ip('link', 'set', 'dev', link, 'up')
    if (joined.Gateway !== undefined) await ip('route', 'add', 'default', 'via', joined.Gateway)
    if (joined.GatewayIPv6 !== undefined) await ip('-6', 'route', 'add', 'default', 'via', joined.GatewayIPv6)
    return { NetworkID, EndpointID, container, link, joined }
  }

  /** What libnetwork does when a container stops or is disconnected. */
  async detach(host: Netns, { NetworkID, EndpointID, container, link, joined }: Attached): Promise<void> {
    await this.call('Leave', { NetworkID, EndpointID })
    const { SrcName } = joined.InterfaceName
    await container.exec('ip', 'link', 'set', 'dev', link, 'down')
    await container.exec('ip', 'link', 'set', 'dev', link, 'name', SrcName)
    await container.exec('ip', 'link', 'set', 'dev', SrcName, 'netns', host.name)
    await this.call('DeleteEndpoint', { NetworkID, EndpointID })
  }

  close(): void {
    for (const connection of this.open) connection.close()
    this.open.clear()
    this.idle.length = 0
  }

  private async take(): Promise<Connection> {
    for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
      if (connection.usable) return connection
    }
    const connection = await Connection.open(this.socketPath)
    this.open.add(connection)
    return connection
  }
}

/** The body of CreateNetwork as an engine of version 28 writes it. */
export function networkBody(NetworkID: string, options: NetworkOptions): Readonly<Record<string, unknown>> {
  const { ipv4 = [{ Pool: '10.9.0.0/24' }], ipv6 = [], generic = {}, internal = false } = options
  const space = (data: readonly object[] | null) =>
    data?.map((pool) => ({ AddressSpace: 'LocalDefault', ...pool })) ?? null
  return {
    NetworkID,
    Options: {
      'com.docker.network.enable_ipv4': true,
      'com.docker.network.enable_ipv6': ipv6 !== null && ipv6.length > 0,
      ...(internal && { 'com.docker.network.internal': true }),
      'com.docker.network.generic': generic,
    },
    IPv4Data: space(ipv4),
    IPv6Data: space(ipv6),
  }
}
