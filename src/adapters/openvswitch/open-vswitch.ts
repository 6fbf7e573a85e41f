import { dirname } from 'node:path'
import { DriverError, reasonOf } from '../../errors'
import type { Logger } from '../../log'
import type { RecordChange, RecordTexts } from '../../driver/records'
import type {
  BridgeSpec,
  DatapathType,
  ObservedBridge,
  ObservedPort,
  OwnedPort,
  PortSpec,
  Switch,
} from '../../driver/switch'
import type { Clock, Endpoint, Operation, OvsdbClient, OvsdbEvent } from '../ovsdb'
import { createOvsdbClient } from '../ovsdb'
import {
  bridgeOperations,
  bridgeRemoval,
  mirrorOperations,
  portOperations,
  portRemoval,
  recordOperations,
} from './changes'
import type { Change } from './committer'
import { describeOperations } from './describe'
import { Committer } from './committer'
import { MONITORED } from './schema'
import { logEvent } from './log-event'
import { numberOfOpenPort, refuseBrokenBridge } from './opened'
import { View } from './view'

/** Below the deadline of Docker's requests, so that the user reads this reason and not a time-out. */
const PATIENCE_MS = 8_000

/** From this process's start, for a host's Open vSwitch that comes up late at boot. */
const BOOT_PATIENCE_MS = 25_000

export interface OpenVSwitchOptions {
  /** Whether the kernel has the openvswitch datapath; asked at every (re)connect. Never rejects. */
  readonly hasKernelDatapath: () => Promise<boolean>
  readonly clock: Clock
  readonly deadline: (ms: number) => AbortSignal
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Logger
}

/** A connection to one switch's database. */
interface Attachment {
  readonly endpoint: string
  readonly outlivesPlugin: boolean
  readonly client: OvsdbClient
  readonly view: View
  readonly committer: Committer
}

/** The verbs of {@link Switch} on the Open_vSwitch database of whichever switch it is attached to. */
export class OpenVSwitch implements Switch {
  private readonly listeners = new Set<() => void>()
  private attachment: Attachment | undefined
  private datapath: DatapathType | undefined
  private socketFolder: string | undefined
  private failure: unknown = new Error('the switch is starting')

  private readonly startedAt: number

  constructor(private readonly options: OpenVSwitchOptions) {
    this.startedAt = options.clock.now()
  }

  /** Connects, and connects again for ever until {@link detach}. Called once. */
  attach(endpoint: Endpoint, name: string, outlivesPlugin: boolean): void {
    this.socketFolder = endpoint.kind === 'unix' ? dirname(endpoint.path) : undefined
    const { clock, random, deadline } = this.options
    this.failure = new Error('not connected yet')
    const client = createOvsdbClient({
      endpoint,
      database: 'Open_vSwitch',
      monitor: MONITORED,
      clock,
      random,
      log: (event) => {
        this.observe(event)
      },
    })
    const view = new View(client.replica)
    this.attachment = {
      endpoint: name,
      outlivesPlugin,
      client,
      view,
      committer: new Committer(client, view, deadline),
    }
    client.onSynchronised(() => void this.becomeAvailable())
    client.start()
  }

  /** Where the switch's own sockets are, its bridges' among them; `undefined` where it is reached over a network. */
  get socketDirectory(): string | undefined {
    return this.socketFolder
  }

  /** Says why there is no switch to attach to: every request that needs one is refused with it, at once. */
  refuse(reason: DriverError): void {
    this.failure = reason
  }

  async detach(): Promise<void> {
    await this.attachment?.client.close()
  }

  get available(): boolean {
    return this.attachment?.client.connected === true && this.datapath !== undefined
  }

  onAvailable(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  async whenAvailable(signal: AbortSignal, patienceFor: 'request' | 'boot' = 'request'): Promise<void> {
    if (this.available) return
    if (this.failure instanceof DriverError) throw this.failure
    const ofBoot = patienceFor === 'boot' ? BOOT_PATIENCE_MS - (this.options.clock.now() - this.startedAt) : 0
    const patience = AbortSignal.any([signal, this.options.deadline(Math.max(PATIENCE_MS, ofBoot))])
    // An abort that was before tells no listener.
    if (patience.aborted) throw this.unreachable()
    const isAvailable = await new Promise<boolean>((resolve) => {
      const stop = this.onAvailable(() => {
        stop()
        resolve(true)
      })
      patience.addEventListener('abort', () => {
        stop()
        resolve(false)
      })
    })
    if (!isAvailable) throw this.unreachable()
  }

  get defaultDatapath(): DatapathType {
    return this.datapath ?? 'netdev'
  }

  get outlivesPlugin(): boolean {
    return this.attached().outlivesPlugin
  }

  get userspaceSegmentation(): boolean {
    return this.attached().view.userspaceSegmentation()
  }

  records(): RecordTexts {
    return this.attached().view.records()
  }

  bridge(name: string): ObservedBridge | undefined {
    return this.attached().view.bridge(name)
  }

  port(name: string): ObservedPort | undefined {
    return this.attached().view.port(name)
  }

  ownedBridges(): readonly ObservedBridge[] {
    return this.attached().view.ownedBridges()
  }

  ownedPorts(): readonly OwnedPort[] {
    return this.attached().view.ownedPorts()
  }

  borrowedBridges(): readonly string[] {
    return this.attached().view.borrowedBridges()
  }

  bridgeDifferences(bridge: BridgeSpec): readonly string[] {
    const { view } = this.attached()
    return describeOperations([...bridgeOperations(view, bridge, ''), ...this.mirrorChanges(bridge, '')])
  }

  portDifferences(port: PortSpec): readonly string[] {
    return describeOperations(portOperations(this.attached().view, port, ''))
  }

  async ensureBridge(
    specOf: () => BridgeSpec,
    networkId: string,
    record: RecordChange,
    signal: AbortSignal,
  ): Promise<void> {
    const { view } = this.attached()
    const { name } = specOf()
    await this.commit(signal, {
      attempt: `set up bridge ${name}`,
      plan: (unique) => [...bridgeOperations(view, specOf(), unique), ...recordOperations(view, record)],
      switchWork: 'awaited',
      result: () => {
        refuseBrokenBridge(view, name, this.defaultDatapath)
        const ports = specOf().ports.filter((port) => port.networkId === networkId)
        const interfaces = ports.flatMap((port) => port.interfaces)
        for (const { name: link } of interfaces) numberOfOpenPort(view, link)
      },
    })
    // A mirror names its port by the row, which is there from now on.
    await this.commit(signal, {
      attempt: `mirror bridge ${name}`,
      plan: (unique) => this.mirrorChanges(specOf(), unique),
      switchWork: 'awaited',
      result: () => undefined,
    })
  }

  private mirrorChanges(bridge: BridgeSpec, unique: string): readonly Operation[] {
    const { view } = this.attached()
    const row = view.bridgeRow(bridge.name)
    return row === undefined ? [] : mirrorOperations(view, row, bridge.mirrors, unique)
  }

  removeBridge(name: string, record: RecordChange | undefined, signal: AbortSignal): Promise<void> {
    const { view } = this.attached()
    return this.remove(`remove bridge ${name}`, signal, () => [
      ...bridgeRemoval(view, name),
      ...recordOperations(view, record),
    ])
  }

  plugPort(port: PortSpec, record: RecordChange, signal: AbortSignal): Promise<void> {
    const { view } = this.attached()
    return this.commit(signal, {
      attempt: `plug port ${port.name} into bridge ${port.bridge}`,
      plan: (unique) => [...portOperations(view, port, unique), ...recordOperations(view, record)],
      switchWork: 'announced',
      result: () => undefined,
    })
  }

  async openedPort(name: string, signal: AbortSignal): Promise<number> {
    const { client, view } = this.attached()
    const { announced } = view.config()
    try {
      await client.replica.waitUntil(() => view.config().applied >= announced, this.patience(signal))
    } catch (error) {
      throw DriverError.of('SWITCH_STALLED', [`open port ${name}`], { cause: error })
    }
    return numberOfOpenPort(view, name)
  }

  unplugPort(name: string, endpointId: string, record: RecordChange, signal: AbortSignal): Promise<void> {
    const { view } = this.attached()
    return this.commit(signal, {
      attempt: `unplug port ${name}`,
      plan: () => [...portRemoval(view, name, endpointId), ...recordOperations(view, record)],
      switchWork: 'untold',
      result: () => undefined,
    })
  }

  putRecord(record: RecordChange, signal: AbortSignal): Promise<void> {
    const { view } = this.attached()
    return this.commit(signal, {
      attempt: `record ${record.key}`,
      plan: () => recordOperations(view, record),
      switchWork: 'untold',
      result: () => undefined,
    })
  }

  /** Waits for ovs-vswitchd where it can: what is gone from the database, it removes as soon as it is back. */
  private async remove(
    attempt: string,
    signal: AbortSignal,
    plan: () => readonly Operation[],
  ): Promise<void> {
    try {
      await this.commit(signal, { attempt, plan, switchWork: 'awaited', result: () => undefined })
    } catch (error) {
      if (!(error instanceof DriverError && error.code === 'SWITCH_STALLED')) throw error
    }
  }

  private commit<T>(signal: AbortSignal, change: Change<T>): Promise<T> {
    return this.attached().committer.commit(change, this.patience(signal))
  }

  private patience(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.options.deadline(PATIENCE_MS)])
  }

  private attached(): Attachment {
    if (this.attachment === undefined) throw this.unreachable()
    return this.attachment
  }

  private unreachable(): DriverError {
    if (this.failure instanceof DriverError) return this.failure
    const endpoint = this.attachment?.endpoint ?? 'its endpoint'
    return DriverError.of('OVS_UNREACHABLE', [endpoint, reasonOf(this.failure)], { cause: this.failure })
  }

  private async becomeAvailable(): Promise<void> {
    this.datapath = (await this.options.hasKernelDatapath()) ? 'system' : 'netdev'
    if (!this.available) return
    this.options.log.info('switch available', {
      endpoint: this.attachment?.endpoint,
      datapath: this.datapath,
      userspaceSegmentation: this.userspaceSegmentation,
    })
    for (const listener of this.listeners) listener()
  }

  private observe(event: OvsdbEvent): void {
    const isNews = event.event === 'disconnected' && reasonOf(this.failure) !== event.reason.message
    if (event.event === 'disconnected') this.failure = event.reason
    logEvent(this.options.log, event, isNews)
  }
}
