import { setTimeout as sleep } from 'node:timers/promises'
import type { PluginHost } from '../protocol/plugin-host'
import type { Random } from './random'

/** What faults happen to. */
export interface Victim {
  readonly host: PluginHost
  readonly random: Random
  readonly driverPid: number
  restartDriver(signal: NodeJS.Signals): Promise<void>
  /** Docker's requests end without an answer, and the driver sees it hang up. */
  dropConnections(): void
}

/** Something that goes wrong around the driver, or with it. */
export interface Fault {
  readonly what: string
  /** Resolves when it is over. */
  happen(victim: Victim): Promise<void>
}

const exec =
  (...command: readonly [string, ...string[]]) =>
  async ({ host: { netns } }: Victim): Promise<void> => {
    await netns.exec(...command)
  }

export const faults: readonly Fault[] = [
  { what: 'driver killed', happen: (victim) => victim.restartDriver('SIGKILL') },
  { what: 'driver stopped', happen: (victim) => victim.restartDriver('SIGTERM') },
  {
    what: 'connections dropped',
    happen: (victim) => {
      victim.dropConnections()
      return Promise.resolve()
    },
  },
  {
    what: 'ovsdb-server killed',
    async happen({ host: { ovs }, random }) {
      await ovs.stopServer()
      await sleep(random.below(1000))
      await ovs.startServer()
    },
  },
  {
    what: 'ovs-vswitchd killed',
    async happen({ host: { ovs }, random }) {
      await ovs.stopSwitchd()
      await sleep(random.below(1000))
      await ovs.startSwitchd()
    },
  },
  { what: 'ovsdb-server paused', happen: (victim) => pause(victim, victim.host.ovs.serverPid) },
  { what: 'ovs-vswitchd paused', happen: (victim) => pause(victim, victim.host.ovs.switchdPid) },
  {
    what: 'disk of the database full',
    async happen({ host: { ovs }, random }) {
      await ovs.fillDisk()
      await sleep(random.below(1000))
      await ovs.freeDisk()
    },
  },
  { what: 'driver paused', happen: (victim) => pause(victim, victim.driverPid) },
  {
    what: 'port deleted',
    async happen(victim) {
      const port = await anyPort(victim)
      if (port !== undefined) await victim.host.ovs.vsctl('--no-wait', '--if-exists', 'del-port', port)
    },
  },
  {
    what: 'bridge deleted',
    async happen({ host: { ovs }, random }) {
      const bridge = random.pick((await ovs.vsctl('list-br')).split('\n').filter((name) => name !== ''))
      if (bridge !== undefined) await ovs.vsctl('--no-wait', '--if-exists', 'del-br', bridge)
    },
  },
  {
    what: 'link changed',
    async happen(victim) {
      const port = await anyPort(victim)
      if (port !== undefined)
        await victim.host.netns.exec('ip', 'link', 'set', 'dev', port, 'down', 'mtu', '1400')
    },
  },
  { what: 'filter flushed', happen: exec('iptables-nft', '-F') },
  { what: 'nat table flushed', happen: exec('iptables-nft', '-t', 'nat', '-F') },
  { what: 'ruleset flushed', happen: exec('nft', 'flush', 'ruleset') },
]

async function pause({ random }: Victim, pid: number | undefined): Promise<void> {
  if (pid === undefined) return
  process.kill(pid, 'SIGSTOP')
  await sleep(random.below(2000))
  process.kill(pid, 'SIGCONT')
}

async function anyPort({ host, random }: Victim): Promise<string | undefined> {
  const { ports } = await host.state()
  return random.pick(ports.filter((name) => name.startsWith('ovs-veth0-')))
}
