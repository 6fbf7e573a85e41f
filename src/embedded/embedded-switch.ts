import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DriverError } from '../errors'
import type { Logger } from '../log'
import type { Run } from '../adapters/process/run'
import { prepareDatabase } from './database'

export interface EmbeddedOptions {
  readonly run: Run
  readonly log: Logger
  /** Durable: holds the switch's database. */
  readonly stateDirectory: string
  /** Where ovsdb-server makes its socket. */
  readonly runDirectory: string
  readonly schema: string
  /** s6's scan directory; the two services in it are down until asked for. */
  readonly serviceDirectory: string
  /** /sys/class/net of Docker's network namespace. */
  readonly linksDirectory: string
  /** /proc/net/unix of the same namespace. */
  readonly socketsFile: string
}

const DATABASE_SERVER = 'ovsdb-server'
const SWITCH_DAEMON = 'ovs-vswitchd'

/** The links by which datapaths can be told. */
const KERNEL_DATAPATH = 'ovs-system'
const USERSPACE_DATAPATH = 'ovs-netdev'

/** Bridges, gateways, tunnels and containers' links, as the driver names them. */
const PLUGIN_PORT = /^(ovsbr|ovsgw|ovst|ovs-veth0)-/

/** What ovs-vswitchd and ovsdb-server listen on while they run, by the names that each gives its sockets itself. */
const SWITCH_SOCKET = /\/(ovs-vswitchd(\.\d+)?\.ctl|db\.sock)$/m

/** Ten times the throughput of the userspace datapath; ovs-vswitchd reads it only when it starts. */
const INITIAL_CONFIG = ['other_config:userspace-tso-enable=true']

/**
 * Starts the switch that the plugin brings, where it does not run yet. Idempotent. The daemons belong to s6 and outlive
 * the driver process.
 *
 * @returns the path of its database's socket.
 * @throws DriverError `DATABASE_UNUSABLE`, `DATAPATH_IN_USE`
 */
export async function startEmbeddedSwitch(options: EmbeddedOptions, signal: AbortSignal): Promise<string> {
  const database = join(options.stateDirectory, 'ovs', 'conf.db')
  const socket = join(options.runDirectory, 'db.sock')
  if (!(await isUp(options, DATABASE_SERVER, signal))) {
    if (!(await exists(database))) await clearDatapath(options, signal)
    await prepareDatabase({ ...options, path: database }, signal)
    await bringUp(options, DATABASE_SERVER, signal)
  }
  await options.run(
    'ovs-vsctl',
    [
      `--db=unix:${socket}`,
      '--retry',
      '--no-wait',
      'init',
      '--',
      'set',
      'Open_vSwitch',
      '.',
      ...INITIAL_CONFIG,
    ],
    { signal },
  )
  await bringUp(options, SWITCH_DAEMON, signal)
  return socket
}

/**
 * With no database yet, a datapath that is there is another switch's, and two ovs-vswitchd would fight over it; or it is
 * what the kernel still holds of an earlier plugin, whose database went with it. That one has no daemons, and ports by
 * the driver's names; one without either is a host's Open vSwitch that is stopped.
 */
async function clearDatapath(
  { run, linksDirectory, socketsFile }: EmbeddedOptions,
  signal: AbortSignal,
): Promise<void> {
  const isThere = (link: string): Promise<boolean> => exists(join(linksDirectory, link))
  if (await isThere(KERNEL_DATAPATH)) {
    const isRunning = SWITCH_SOCKET.test(await readFile(socketsFile, 'utf8'))
    if (isRunning || !(await isOfAPlugin(run, signal))) {
      throw DriverError.of('DATAPATH_IN_USE', [KERNEL_DATAPATH])
    }
    await run('ovs-dpctl', ['del-dp', KERNEL_DATAPATH], { signal })
  }
  if (!(await isThere(USERSPACE_DATAPATH))) return
  try {
    // A tap device that some process holds cannot be deleted so; one that an ovs-vswitchd left when it was killed can.
    await run('ip', ['tuntap', 'del', 'dev', USERSPACE_DATAPATH, 'mode', 'tap'], { signal })
  } catch (error) {
    throw DriverError.of('DATAPATH_IN_USE', [USERSPACE_DATAPATH], { cause: error })
  }
}

/** By the ports of the kernel's datapath; one that has but its own holds nothing of anybody's. */
async function isOfAPlugin(run: Run, signal: AbortSignal): Promise<boolean> {
  const { stdout } = await run('ovs-dpctl', ['show', KERNEL_DATAPATH], { signal })
  const ports = [...stdout.matchAll(/^\s+port \d+: (\S+)/gm)].flatMap(([, name]) =>
    name === undefined || name === KERNEL_DATAPATH ? [] : [name],
  )
  return ports.length === 0 || ports.some((name) => PLUGIN_PORT.test(name))
}

async function isUp(options: EmbeddedOptions, service: string, signal: AbortSignal): Promise<boolean> {
  const directory = join(options.serviceDirectory, service)
  const { stdout } = await options.run('s6-svstat', ['-o', 'up', directory], { signal })
  return stdout.trim() === 'true'
}

async function bringUp(options: EmbeddedOptions, service: string, signal: AbortSignal): Promise<void> {
  await options.run('s6-svc', ['-u', join(options.serviceDirectory, service)], { signal })
  options.log.info('service asked for', { service })
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
