import { DriverError } from '../errors'
import type { Logger } from '../log'
import type {
  CreatedEndpoint,
  CreateEndpointRequest,
  CreateNetworkRequest,
  EndpointInfo,
  EndpointRef,
  GatewayAllocation,
  JoinResult,
  NetworkDriver,
  PortBinding,
  PublishRequest,
} from './api'
import type { Appliers } from './appliers'
import type { NetworkPlan } from './apply-network'
import { describeEndpoint } from './endpoint-info'
import type { Clock } from './clock'
import type { KeyedLock } from './keyed-lock'
import { lockKey } from './locks'
import { deriveMacAddress } from './mac-address'
import { shortId } from './names'
import { gatewaysFor, isRouted, planNetwork } from './network'
import { parseEndpointOptions, parseNetworkOptions } from './options'
import type { Publisher } from './publisher'
import { describePort } from './publisher'
import type { EndpointRecord, NetworkRecord, Records } from './records'
import { endpointChange } from './records'
import type { Switch } from './switch'

const CONTAINER_LINK_PREFIX = 'eth'

/** Answers Docker's requests from the records, and changes records and host together through {@link Appliers}. */
export class OvsNetworkDriver implements NetworkDriver {
  private readonly ownWork = new Set<string>()

  constructor(
    private readonly ovs: Switch,
    private readonly records: Records,
    private readonly appliers: Appliers,
    private readonly publisher: Publisher,
    private readonly locks: KeyedLock,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** True for endpoints that this process made itself, as against those it found at start. */
  readonly madeHere = (endpointId: string): boolean => this.ownWork.has(endpointId)

  /** A flat network's gateway is a router out there: Docker has no address to reserve unless the user names one. */
  gatewayAllocation(options: Readonly<Record<string, string>>): GatewayAllocation {
    const isFlat = parseNetworkOptions(options).mode === 'flat'
    return { skipIPv4: isFlat, skipIPv6: isFlat }
  }

  async createNetwork(request: CreateNetworkRequest, signal: AbortSignal): Promise<void> {
    planNetwork(request)
    const { networkId: id, options, internal, ipv4, ipv6 } = request
    const plan = { id, options, internal, ipv4, ipv6 }
    await this.locks.run(lockKey.network(id), async () => {
      await this.ovs.whenAvailable(signal)
      this.appliers.abandoned.remove(id)
      const started = this.clock.now()
      const existing = this.records.network(id)
      if (existing !== undefined && !isSameNetwork(existing, plan)) {
        throw DriverError.of('NETWORK_EXISTS', [shortId(id)])
      }
      if (existing !== undefined) return this.appliers.networks.apply(existing, signal)
      const { bridge } = await this.appliers.networks.create(plan, signal)
      this.log.info('network created', { network: shortId(id), bridge, ms: this.since(started) })
    })
  }

  deleteNetwork(id: string, signal: AbortSignal): Promise<void> {
    return this.deleteOnce(id, async () => {
      await this.locks.run(lockKey.network(id), () => this.withdrawNetwork(id, signal))
    })
  }

  private async withdrawNetwork(id: string, signal: AbortSignal): Promise<void> {
    await this.ovs.whenAvailable(signal)
    const started = this.clock.now()
    const record = this.records.network(id)
    if (record === undefined) return
    // Docker has forgotten them already, or it would not delete their network.
    const orphans = this.records.endpointsOf(id)
    for (const orphan of orphans) await this.withdrawEndpoint(orphan.id, signal)
    await this.appliers.networks.withdraw(record, signal)
    this.log.info('network deleted', {
      network: shortId(id),
      bridge: record.bridge,
      ms: this.since(started),
    })
  }

  async createEndpoint(request: CreateEndpointRequest, signal: AbortSignal): Promise<CreatedEndpoint> {
    parseEndpointOptions(request.options)
    return this.locks.run(lockKey.endpoint(request.endpointId), async () => {
      // At boot Docker starts each container with a restart policy once.
      await this.ovs.whenAvailable(signal, 'boot')
      this.appliers.abandoned.remove(request.endpointId)
      const started = this.clock.now()
      const network = this.records.network(request.networkId)
      if (network === undefined) throw DriverError.of('NETWORK_UNKNOWN', [shortId(request.networkId)])
      this.ownWork.add(request.endpointId)
      const { endpointId: id, macAddress: asked, bindings, ...rest } = request
      const macAddress = asked ?? deriveMacAddress(request)
      const unpublishable = isRouted(network) ? [] : containerPorts(bindings)
      const plan = { ...rest, id, macAddress, joined: false, published: [], unpublishable }
      const existing = this.records.endpoint(id)
      const record =
        existing === undefined
          ? await this.appliers.endpoints.create(plan, network, signal)
          : { ...existing, ...plan }
      if (existing !== undefined) await this.appliers.endpoints.apply(record, network, signal)
      this.log.info('endpoint created', {
        ...describe(record),
        bridge: network.bridge,
        ms: this.since(started),
      })
      if (unpublishable.length > 0) {
        // Docker asks to publish only where there is a gateway; elsewhere this is all that the user can learn.
        const { message } = DriverError.of('PUBLISH_UNSUPPORTED', [unpublishable])
        this.log.warn(message, describe(record))
      }
      return asked === undefined ? { macAddress } : {}
    })
  }

  endpointInfo({ endpointId }: EndpointRef): EndpointInfo {
    const record = this.records.endpoint(endpointId)
    if (record === undefined) return {}
    const network = this.records.network(record.networkId)
    return describeEndpoint(record, network, this.ovs.port(record.hostLink))
  }

  join(endpoint: EndpointRef, signal: AbortSignal): Promise<JoinResult> {
    return this.locks.run(lockKey.endpoint(endpoint.endpointId), async () => {
      await this.ovs.whenAvailable(signal)
      const { record, network } = this.find(endpoint)
      // Begun with CreateEndpoint: Docker has written its books meanwhile.
      await this.appliers.endpoints.settle(record, network, signal)
      await this.ovs.putRecord(endpointChange({ ...record, joined: true }), signal)
      const gateways = gatewaysFor(network, record)
      this.log.info('endpoint joined', { ...describe(record), ...gateways })
      return {
        linkName: record.containerLink,
        containerLinkPrefix: CONTAINER_LINK_PREFIX,
        ...gateways,
        disableGatewayService: Object.keys(gateways).length === 0,
      }
    })
  }

  /** The link is still in the container: Docker moves it back before it deletes the endpoint. */
  leave({ endpointId }: EndpointRef, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.endpoint(endpointId), async () => {
      await this.ovs.whenAvailable(signal)
      const record = this.records.endpoint(endpointId)
      if (record === undefined) return
      // Docker does not always revoke the ports first: never where it has restarted in between.
      await this.publisher.withdraw(record, signal)
      await this.ovs.putRecord(endpointChange({ ...record, joined: false, published: [] }), signal)
      this.log.info('endpoint left', describe(record))
    })
  }

  async deleteEndpoint({ endpointId }: EndpointRef, signal: AbortSignal): Promise<void> {
    await this.deleteOnce(endpointId, async () => {
      await this.ovs.whenAvailable(signal)
      await this.withdrawEndpoint(endpointId, signal)
    })
  }

  /** Docker takes what it deletes for gone, whatever the answer. */
  private async deleteOnce(id: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.appliers.abandoned.add(id)
      throw error
    }
  }

  async publish({ bindings, ...endpoint }: PublishRequest, signal: AbortSignal): Promise<void> {
    if (bindings.length === 0) return
    await this.locks.run(lockKey.endpoint(endpoint.endpointId), async () => {
      await this.ovs.whenAvailable(signal)
      const started = this.clock.now()
      const { record, network } = this.find(endpoint)
      if (!isRouted(network)) throw DriverError.of('PUBLISH_UNSUPPORTED', [containerPorts(bindings)])
      const { published } = await this.publisher.publish(record, network, bindings, signal)
      const ports = published.map(describePort)
      this.log.info('ports published', { ...describe(record), ports, ms: this.since(started) })
    })
  }

  unpublish({ endpointId }: EndpointRef, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.endpoint(endpointId), async () => {
      await this.ovs.whenAvailable(signal)
      const record = this.records.endpoint(endpointId)
      if (record === undefined || record.published.length === 0) return
      await this.publisher.withdraw(record, signal)
      this.log.info('ports withdrawn', describe(record))
    })
  }

  /** Gives a network's tunnels other peers. @param prefix of the network's id. */
  async setPeers(prefix: string, peers: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    await this.ovs.whenAvailable(signal)
    const [found, ...others] = this.records.networks().filter(({ id }) => id.startsWith(prefix))
    if (found === undefined || others.length > 0) throw DriverError.of('NETWORK_UNKNOWN', [shortId(prefix)])
    return this.locks.run(lockKey.network(found.id), async () => {
      // The same checks as when the network was made.
      const options = { ...found.options, 'ovs.bridge.peers': peers.join(',') }
      const parsed = parseNetworkOptions(options).peers ?? []
      await this.appliers.networks.applyPeers({ ...found, peers: parsed }, options, signal)
      this.log.info('peers changed', { network: shortId(found.id), peers: parsed })
      return parsed
    })
  }

  private withdrawEndpoint(id: string, signal: AbortSignal): Promise<void> {
    return this.locks.run(lockKey.endpoint(id), async () => {
      const started = this.clock.now()
      this.ownWork.delete(id)
      const record = this.records.endpoint(id)
      if (record === undefined) return
      await this.appliers.endpoints.withdraw(record, signal)
      this.log.info('endpoint deleted', { ...describe(record), ms: this.since(started) })
    })
  }

  private find({ networkId, endpointId }: EndpointRef): { record: EndpointRecord; network: NetworkRecord } {
    const record = this.records.endpoint(endpointId)
    const network = this.records.network(networkId)
    if (network === undefined) throw DriverError.of('NETWORK_UNKNOWN', [shortId(networkId)])
    if (record?.networkId !== networkId) {
      throw DriverError.of('ENDPOINT_UNKNOWN', [shortId(endpointId), shortId(networkId)])
    }
    return { record, network }
  }

  private since(started: number): number {
    return Math.round(this.clock.now() - started)
  }
}

function describe({ id, networkId, hostLink, macAddress }: EndpointRecord): Readonly<Record<string, string>> {
  return { endpoint: shortId(id), network: shortId(networkId), link: hostLink, mac: macAddress }
}

function containerPorts(bindings: readonly PortBinding[]): readonly string[] {
  return bindings.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`)
}

/** Docker's retry of a create that succeeded asks for the same again; key order is Docker's, and stays. */
function isSameNetwork(record: NetworkRecord, plan: NetworkPlan): boolean {
  return (['options', 'internal', 'ipv4', 'ipv6'] as const).every(
    (key) => JSON.stringify(record[key]) === JSON.stringify(plan[key]),
  )
}
