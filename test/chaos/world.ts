import type { Netns } from '../fixtures/netns'
import { newId } from '../protocol/engine'
import type { Engine } from '../protocol/engine'
import type { Plugin, PluginHost } from '../protocol/plugin-host'
import type { Victim } from './faults'
import { faults } from './faults'
import type { Model, ModelEndpoint, ModelNetwork } from './model'
import type { Random } from './random'

/** What a request may take; the edge's own limit for CreateEndpoint, and the slack of a busy machine. */
const REQUEST_MS = 29_000

/** So long an endpoint waits for its Join, and a round of the driver's. */
const LOST_MS = 70_000

/** Above it networks are deleted only: a long run shall be of many operations, and not of many networks. */
const MOST_NETWORKS = 30

const SHARED_BRIDGE = 'shared'

const isAnswer = (error: unknown): boolean => error instanceof Error && error.message.startsWith('remote: ')

/** Docker and its host: clients that ask the driver, and what goes wrong around it. */
export class World implements Model, Victim {
  readonly networks = new Map<string, ModelNetwork>()
  readonly endpoints = new Map<string, ModelEndpoint>()
  readonly log: string[] = []
  /** With the time of their loss. */
  private readonly lost = new Map<string, number>()
  /** Networks whose creation got no answer: Docker forgot them, and nobody can tell them from unused ones. */
  private readonly unanswered = new Set<string>()
  /** In use by an operation under way. */
  private readonly busy = new Set<string>()
  private serial = 0

  private constructor(
    readonly host: PluginHost,
    private readonly container: Netns,
    private plugin: Plugin,
    readonly random: Random,
  ) {}

  static async make(host: PluginHost, random: Random): Promise<World> {
    return new World(host, await host.makeContainer(), await host.startPlugin(), random)
  }

  /** One operation of a client; what fails is as Docker takes it. */
  async operate(): Promise<void> {
    const networks = this.free(this.networks)
    const endpoints = this.free(this.endpoints)
    const choice = this.random.below(10)
    const isFull = this.networks.size >= MOST_NETWORKS
    if ((choice < 2 && !isFull) || networks.length === 0) return this.createNetwork()
    if (choice < 3) return this.deleteNetwork(this.random.pick(networks))
    if (choice < 7) return this.attach(this.random.pick(networks))
    return this.detach(this.random.pick(endpoints))
  }

  private free<T extends { readonly id: string }>(items: ReadonlyMap<string, T>): readonly T[] {
    return [...items.values()].filter(({ id }) => !this.busy.has(id))
  }

  private async using(ids: readonly string[], work: () => Promise<void>): Promise<void> {
    for (const id of ids) this.busy.add(id)
    try {
      await work()
    } finally {
      for (const id of ids) this.busy.delete(id)
    }
  }

  private async createNetwork(): Promise<void> {
    this.serial += 1
    const n = this.serial
    const mode = this.random.chance(0.4) ? 'nat' : 'flat'
    const isShared = this.random.chance(0.3)
    const network: ModelNetwork = {
      id: newId(),
      mode,
      pool: `10.${100 + Math.floor(n / 250)}.${n % 250}.0/24`,
      gateway: `10.${100 + Math.floor(n / 250)}.${n % 250}.1/24`,
      ...(isShared ? { bridge: SHARED_BRIDGE, vlan: 2 + (n % 4000) } : {}),
    }
    const { pool, gateway, bridge, vlan } = network
    await this.ask('CreateNetwork', network.id, async (engine) => {
      await engine.createNetwork(
        {
          generic: {
            'ovs.bridge.mode': mode,
            ...(bridge === undefined ? {} : { 'ovs.bridge.name': bridge }),
            ...(vlan === undefined ? {} : { 'ovs.bridge.vlan': String(vlan) }),
          },
          ipv4: [{ Pool: pool, Gateway: gateway }],
        },
        network.id,
      )
      this.networks.set(network.id, network)
    }).catch((error: unknown) => {
      this.forget(network.id, error)
    })
  }

  private async deleteNetwork(network: ModelNetwork | undefined): Promise<void> {
    if (network === undefined) return
    const { id } = network
    if ([...this.endpoints.values()].some(({ networkId }) => networkId === id)) return
    await this.using([id], async () => {
      // Docker forgets it whatever the answer; of a driver that dies with the request nobody takes it back.
      this.networks.delete(id)
      await this.ask('DeleteNetwork', id, (engine) => engine.call('DeleteNetwork', { NetworkID: id })).catch(
        () => this.unanswered.add(id),
      )
    })
  }

  /** What the driver answered with an error is its own to take back; of what it did not answer it may know nothing. */
  private forget(networkId: string, error: unknown): void {
    if (!isAnswer(error)) this.unanswered.add(networkId)
  }

  private async attach(network: ModelNetwork | undefined): Promise<void> {
    if (network === undefined) return
    await this.using([network.id], async () => {
      const EndpointID = newId()
      const ids = { NetworkID: network.id, EndpointID }
      this.serial += 1
      const Address = network.pool.replace('.0/24', `.${2 + (this.serial % 250)}/24`)
      try {
        await this.ask('CreateEndpoint', EndpointID, (engine) =>
          engine.createEndpoint(network.id, { Address }, {}, EndpointID),
        )
      } catch (error) {
        if (!isAnswer(error)) this.lost.set(EndpointID, Date.now())
        return
      }
      try {
        const { InterfaceName } = await this.ask('Join', EndpointID, (engine) => engine.join(ids))
        const link = InterfaceName.SrcName
        await this.host.netns.exec('ip', 'link', 'set', 'dev', link, 'netns', this.container.name)
        this.endpoints.set(EndpointID, { id: EndpointID, networkId: network.id, link })
        if (network.mode === 'nat' && this.random.chance(0.5)) await this.publish(ids)
      } catch {
        await this.removeEndpoint(ids)
      }
    })
  }

  private async publish(ids: { readonly NetworkID: string; readonly EndpointID: string }): Promise<void> {
    this.serial += 1
    const port = 20_000 + (this.serial % 20_000)
    const binding = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: port, HostPortEnd: port }
    const Options = { 'com.docker.network.portmap': [binding] }
    await this.ask('ProgramExternalConnectivity', ids.EndpointID, (engine) =>
      engine.call('ProgramExternalConnectivity', { ...ids, Options }),
    ).catch(() => this.detach(this.endpoints.get(ids.EndpointID)))
  }

  private async detach(endpoint: ModelEndpoint | undefined): Promise<void> {
    if (endpoint === undefined) return
    const { id, networkId, link } = endpoint
    await this.using([id, networkId], async () => {
      this.endpoints.delete(id)
      const ids = { NetworkID: networkId, EndpointID: id }
      await this.ask('Leave', id, (engine) => engine.call('Leave', ids)).catch(() => undefined)
      // With its container's namespace, as often as not.
      const isGone = this.random.chance(0.5)
      if (isGone) await this.container.exec('ip', 'link', 'delete', 'dev', link).catch(() => undefined)
      else
        await this.container
          .exec('ip', 'link', 'set', 'dev', link, 'netns', this.host.netns.name)
          .catch(() => undefined)
      await this.removeEndpoint(ids)
      await this.host.netns.exec('ip', 'link', 'delete', 'dev', link).catch(() => undefined)
    })
  }

  private async removeEndpoint(ids: {
    readonly NetworkID: string
    readonly EndpointID: string
  }): Promise<void> {
    this.endpoints.delete(ids.EndpointID)
    await this.ask('DeleteEndpoint', ids.EndpointID, (engine) => engine.call('DeleteEndpoint', ids)).catch(
      (error: unknown) => {
        if (!isAnswer(error)) this.lost.set(ids.EndpointID, Date.now())
      },
    )
  }

  private async ask<T>(what: string, id: string, work: (engine: Engine) => Promise<T>): Promise<T> {
    const started = performance.now()
    const note = (outcome: string): void => {
      const ms = Math.round(performance.now() - started)
      this.log.push(`${what} ${id.slice(0, 8)}: ${outcome} (${ms} ms)`)
      if (ms > REQUEST_MS) this.log.push(`TOO LATE ${what} ${id}`)
    }
    try {
      const result = await work(this.plugin.engine)
      note('ok')
      return result
    } catch (error) {
      note(error instanceof Error ? error.message : String(error))
      throw error
    }
  }

  /** One thing that goes wrong, over by the time that this resolves, but for what the driver has to put right. */
  async disturb(): Promise<void> {
    const fault = this.random.pick(faults)
    if (fault === undefined) return
    this.log.push(`FAULT ${fault.what}`)
    try {
      await fault.happen(this)
      this.log.push(`FAULT ${fault.what}: over`)
    } catch (error) {
      this.log.push(`FAULT ${fault.what}: ${String(error)}`)
    }
  }

  get undecided(): ReadonlySet<string> {
    const young = [...this.lost].filter(([, since]) => Date.now() - since < LOST_MS)
    return new Set(young.map(([id]) => id))
  }

  /** A driver that finds endpoints without a container, and has not made them itself, soon gives them up. */
  async decide(): Promise<void> {
    this.lost.clear()
    await this.restartDriver('SIGTERM')
  }

  get driverPid(): number {
    return this.plugin.pid
  }

  async restartDriver(signal: NodeJS.Signals): Promise<void> {
    await this.plugin.stop(signal)
    this.plugin = await this.host.startPlugin()
  }

  dropConnections(): void {
    this.plugin.engine.close()
  }

  /** Removes what nobody could know of; what the driver says it would put right now. */
  async settle(): Promise<string> {
    for (const id of this.unanswered) {
      await this.plugin.engine.call('DeleteNetwork', { NetworkID: id })
      this.unanswered.delete(id)
    }
    return this.plugin.differences()
  }
}
