import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { IngressGuard } from './adapters/nat/ingress-guard'
import { createLegacyCheck } from './adapters/nat/legacy-tables'
import { AutoFirewall } from './adapters/nat/auto-firewall'
import { Conntrack } from './adapters/nat/conntrack'
import { IptablesFirewall } from './adapters/nat/iptables-firewall'
import { NftablesFirewall } from './adapters/nat/nftables-firewall'
import { NoFirewall } from './adapters/nat/no-firewall'
import { NftablesTables } from './adapters/nat/other-filters'
import { createSysctlFiles, GatewayLinks } from './adapters/netlink/host-network'
import { BoundPorts } from './adapters/relay/bound-ports'
import { LinkTable } from './adapters/netlink/link-table'
import { openNetlinkSocket } from './adapters/netlink/socket'
import { Underlay } from './adapters/netlink/underlay'
import { VethLinks } from './adapters/netlink/veth-links'
import { hasKernelDatapath } from './adapters/openvswitch/kernel-datapath'
import { OpenFlowTables } from './adapters/openflow/flow-tables'
import { OpenVSwitch } from './adapters/openvswitch/open-vswitch'
import { resolveSource } from './adapters/openvswitch/source'
import type { Run } from './adapters/process/run'
import { createRun } from './adapters/process/run'
import { createSystemClock, deadline } from './clock'
import { askDifferences, askPeers } from './docker/operator'
import { createServer } from './docker/server'
import { composeDriver } from './driver/compose'
import type { Firewall } from './driver/firewall'
import { startEmbeddedSwitch } from './embedded/embedded-switch'
import { ReceiveBuffer } from './embedded/receive-buffer'
import { DriverError, reasonOf } from './errors'
import type { Logger } from './log'
import { createLogger } from './log'
import type { FirewallSetting, Settings } from './settings'
import { parseSettings } from './settings'

/** Where Open vSwitch's documentation has ovsdb-server listen for managers of the same host. */
const HOST_TCP = 'tcp:127.0.0.1:6640'

const LEGACY_TABLES = '/proc/net/ip_tables_names'

const COMMAND_MS = 10_000
const START_SWITCH_MS = 60_000
const RETRY_MS = 2_000

/** Docker gives a plugin ten seconds to stop; requests under way get some of them. */
const STOP_MS = 3_000

async function main(): Promise<void> {
  const { settings, problems } = parseSettings(process.env)
  const log = createLogger({ level: settings.logLevel, output: process.stdout })
  const clock = createSystemClock()
  const run = createRun(process.env)
  const sysctls = createSysctlFiles(settings.sysctlDirectory)
  const receiveBuffer = new ReceiveBuffer(sysctls, join(settings.stateDirectory, 'rmem_default'), log)
  const ovs = new OpenVSwitch({
    hasKernelDatapath: () => hasKernelDatapath(run, clock.deadline(COMMAND_MS)),
    clock,
    deadline: (ms) => clock.deadline(ms),
    random: Math.random,
    log,
  })
  const guard = new IngressGuard(openNetlinkSocket('netfilter'), 'dovesnap')
  const linkTable = new LinkTable(openNetlinkSocket('route'), openNetlinkSocket('route'))
  const { driver, reconciler } = composeDriver({
    ovs,
    links: new VethLinks(linkTable, guard, run, deadline),
    underlay: new Underlay(linkTable, guard, run),
    flows: new OpenFlowTables(run, () => ovs.socketDirectory),
    network: new GatewayLinks(run, sysctls),
    firewall: createFirewall(settings.firewall, run),
    otherFilters: new NftablesTables(run),
    ports: new BoundPorts(),
    clock,
    log,
  })

  // Docker gives a starting plugin a few seconds to listen, whatever Open vSwitch does meanwhile.
  const server = createServer({
    driver,
    operator: {
      differences: (signal) => reconciler.differences(signal),
      setPeers: (network, peers, signal) => driver.setPeers(network, peers, signal),
    },
    log,
  })
  await server.listen(settings.socket)
  log.info('listening', { socket: settings.socket })

  const stopReconciling = reconciler.start()
  const stopping = new AbortController()
  process.once('SIGTERM', () => {
    stopping.abort()
    stopReconciling()
    // The switch last: a request under way may need it to take back what it made.
    const stopped = Promise.all([server.close().then(() => ovs.detach()), receiveBuffer.restore()])
    void Promise.race([stopped, sleep(STOP_MS)]).then(() => {
      log.info('stopped', {})
      process.exit(0)
    })
  })
  for (const problem of problems) log.error(problem.message, {})
  const [problem] = problems
  if (problem === undefined) await attachSwitch(ovs, receiveBuffer, settings, run, log, stopping.signal)
  else ovs.refuse(problem)
}

function createFirewall(setting: FirewallSetting, run: Run): Firewall {
  const conntrack = new Conntrack(run)
  const iptables = new IptablesFirewall(run, conntrack, createLegacyCheck(run, LEGACY_TABLES))
  const nftables = new NftablesFirewall(run, conntrack)
  switch (setting) {
    case 'auto':
      return new AutoFirewall(run, iptables, nftables)
    case 'iptables':
      return iptables
    case 'nftables':
      return nftables
    case 'none':
      return new NoFirewall()
  }
}

/** Finds the switch, starting the embedded one if it is that, for as long as it takes. */
async function attachSwitch(
  ovs: OpenVSwitch,
  receiveBuffer: ReceiveBuffer,
  settings: Settings,
  run: Run,
  log: Logger,
  stopping: AbortSignal,
): Promise<void> {
  while (!stopping.aborted) {
    try {
      const source = await resolveSource({
        setting: settings.ovsdb,
        hostDirectory: settings.hostOvsDirectory,
        choiceFile: join(settings.stateDirectory, 'switch'),
        hostTcp: HOST_TCP,
        sleep,
        onWaiting: (what) => {
          log.warn("waiting for the host's Open vSwitch", { what })
        },
      })
      if (source.kind === 'host') {
        ovs.attach(source.endpoint, source.name, true)
        return
      }
      if (!(await hasKernelDatapath(run, deadline(COMMAND_MS)))) await receiveBuffer.enlarge()
      const socket = await startEmbeddedSwitch(
        {
          run,
          log,
          stateDirectory: settings.stateDirectory,
          runDirectory: settings.ovsRunDirectory,
          schema: settings.ovsSchema,
          serviceDirectory: settings.serviceDirectory,
          linksDirectory: '/sys/class/net',
          socketsFile: '/proc/net/unix',
        },
        AbortSignal.any([stopping, deadline(START_SWITCH_MS)]),
      )
      ovs.attach({ kind: 'unix', path: socket }, `unix:${socket}`, false)
      return
    } catch (error) {
      log.error('no switch yet', { reason: reasonOf(error) })
      if (error instanceof DriverError) ovs.refuse(error)
      await sleep(RETRY_MS)
    }
  }
}

/** The commands `dovesnap-differences` and `dovesnap-peers` of the plugin's root file system. */
async function command(name: 'differences' | 'peers', args: readonly string[]): Promise<void> {
  const { settings } = parseSettings(process.env)
  const [network = '', ...peers] = args
  try {
    const answer =
      name === 'peers' ? askPeers(settings.socket, network, peers) : askDifferences(settings.socket)
    process.stdout.write(await answer)
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    process.exitCode = 1
  }
}

const [name, ...args] = process.argv.slice(2)
void (name === 'differences' || name === 'peers' ? command(name, args) : main())
