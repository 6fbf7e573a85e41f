import { randomBytes } from 'node:crypto'
import { IngressGuard } from '../../../src/adapters/nat/ingress-guard'
import { Underlay } from '../../../src/adapters/netlink/underlay'
import { LinkTable } from '../../../src/adapters/netlink/link-table'
import { VethLinks } from '../../../src/adapters/netlink/veth-links'
import { hasKernelDatapath } from '../../../src/adapters/openvswitch/kernel-datapath'
import { OpenFlowTables } from '../../../src/adapters/openflow/flow-tables'
import { OpenVSwitch } from '../../../src/adapters/openvswitch/open-vswitch'
import { Conntrack } from '../../../src/adapters/nat/conntrack'
import { IptablesFirewall } from '../../../src/adapters/nat/iptables-firewall'
import { NftablesTables } from '../../../src/adapters/nat/other-filters'
import type { SysctlFiles } from '../../../src/adapters/netlink/host-network'
import { GatewayLinks } from '../../../src/adapters/netlink/host-network'
import type { Run } from '../../../src/adapters/process/run'
import { BoundPorts } from '../../../src/adapters/relay/bound-ports'
import { composeDriver } from '../../../src/driver/compose'
import type { OvsNetworkDriver } from '../../../src/driver/driver'
import type { Reconciler } from '../../../src/driver/reconcile'
import { createSystemClock, deadline } from '../../../src/clock'
import type { CreateEndpointRequest, CreateNetworkRequest } from '../../../src/driver/api'
import type { Logger } from '../../../src/log'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import type { Ovs } from '../../fixtures/ovs'
import { startOvs } from '../../fixtures/ovs'
import { sysctlsOf } from '../../fixtures/sysctls'

/** A driver process without its HTTP edge, on a switch and in a namespace of its own. */
export interface Process {
  readonly driver: OvsNetworkDriver
  readonly reconciler: Reconciler
  /** What it logged, one text a line. */
  readonly logged: readonly string[]
  /** Lets it think that it has run that much longer. */
  age(ms: number): void
  /** Resolves when its connection to the switch is up. */
  available(): Promise<void>
  stop(): Promise<void>
}

export interface Host {
  readonly netns: Netns
  readonly ovs: Ovs
  /**
   * Another call is another process: it knows nothing but what the switch's database says.
   *
   * @param wrap what its commands run by, for faults.
   * @param sysctls what it finds below /proc/sys/net, for other kernels.
   */
  startProcess(wrap?: (run: Run) => Run, sysctls?: SysctlFiles): Promise<Process>
  /** Names of all links but the loopback's and the datapaths' own. */
  linkNames(): Promise<readonly string[]>
  dispose(): Promise<void>
}

export const never = new AbortController().signal

export async function makeHost(): Promise<Host> {
  const netns = await makeNetns()
  const ovs = await startOvs({ netns: netns.name, tso: true })
  const processes: Process[] = []
  return {
    netns,
    ovs,
    async startProcess(wrap = (run) => run, sysctls = sysctlsOf(netns)) {
      const process = await startProcess(netns, ovs, wrap(netns.run), sysctls)
      processes.push(process)
      return process
    },
    async linkNames() {
      const { stdout } = await netns.exec('ip', '-json', 'link', 'show')
      const links = JSON.parse(stdout) as readonly { readonly ifname: string }[]
      return links
        .map(({ ifname }) => ifname)
        .filter((name) => !['lo', 'ovs-netdev', 'ovs-system'].includes(name))
    },
    async dispose() {
      await Promise.all(processes.map((process) => process.stop()))
      await ovs.stop()
      await netns.dispose()
    },
  }
}

async function startProcess(
  netns: Netns,
  { socketPath }: Ovs,
  run: Run,
  sysctls: SysctlFiles,
): Promise<Process> {
  const system = createSystemClock()
  let ahead = 0
  const clock: typeof system = { ...system, now: () => system.now() + ahead }
  const logged: string[] = []
  const log = recordingLogger(logged)
  const ovs = new OpenVSwitch({
    hasKernelDatapath: () => hasKernelDatapath(run, never),
    clock,
    deadline: (ms) => clock.deadline(ms),
    random: Math.random,
    log,
  })
  const { netfilter, route, deletions } = netns.netlink
  const guard = new IngressGuard(netfilter, 'dovesnap')
  const linkTable = new LinkTable(route, deletions)
  const { driver, reconciler } = composeDriver({
    ovs,
    links: new VethLinks(linkTable, guard, run, deadline),
    underlay: new Underlay(linkTable, guard, run),
    flows: new OpenFlowTables(run, () => ovs.socketDirectory),
    network: new GatewayLinks(run, sysctls),
    firewall: new IptablesFirewall(run, new Conntrack(run), () => Promise.resolve(false)),
    otherFilters: new NftablesTables(run),
    ports: new BoundPorts(),
    clock,
    log,
  })
  ovs.attach({ kind: 'unix', path: socketPath }, `unix:${socketPath}`, true)
  await ovs.whenAvailable(never)
  return {
    driver,
    reconciler,
    logged,
    age: (ms) => {
      ahead += ms
    },
    available: () => ovs.whenAvailable(never),
    stop: () => ovs.detach(),
  }
}

function recordingLogger(logged: string[]): Logger {
  const record =
    (level: string) =>
    (message: string, fields?: object): void => {
      logged.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
    }
  const logger: Logger = {
    debug: () => undefined,
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
    child: () => logger,
  }
  return logger
}

/**
 * A process that begins a round of reconcile just before its first command whose input has `text`, and carries that
 * command out when the round is over, or waits for something itself.
 */
export async function startWithRoundAt(
  host: Host,
  text: string,
): Promise<{ readonly racing: Process; readonly roundEnded: () => Promise<void> | undefined }> {
  let round: Promise<void> | undefined
  const racing: Process = await host.startProcess((run) => async (command, args, options) => {
    if (round === undefined && (options.input ?? '').includes(text)) {
      round = racing.reconciler.run()
      await Promise.race([round, new Promise((resolve) => setTimeout(resolve, 300))])
    }
    return run(command, args, options)
  })
  return { racing, roundEnded: () => round }
}

const randomId = (): string => randomBytes(32).toString('hex')

export function networkRequest(more: Partial<CreateNetworkRequest> = {}): CreateNetworkRequest {
  return {
    networkId: randomId(),
    options: {},
    internal: false,
    ipv4: [{ pool: '10.7.0.0/24' }],
    ipv6: [],
    ...more,
  }
}

/** What Docker asks for to give a container its endpoint. */
export async function attach(
  { driver }: Pick<Process, 'driver'>,
  request: CreateEndpointRequest,
): Promise<void> {
  await driver.createEndpoint(request, never)
  await driver.join(request, never)
}

export function endpointRequest(
  networkId: string,
  more: Partial<CreateEndpointRequest> = {},
): CreateEndpointRequest {
  return { networkId, endpointId: randomId(), ipv4Address: '10.7.0.2/24', options: {}, bindings: [], ...more }
}
