import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:net'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { askDifferences } from '../../src/docker/operator'
import type { Netns } from '../fixtures/netns'
import { makeNetns } from '../fixtures/netns'
import type { Ovs, OvsOptions } from '../fixtures/ovs'
import { startOvs } from '../fixtures/ovs'
import { Connection } from './connection'
import { Engine } from './engine'

const repository = resolve(__dirname, '../..')

/** What Node is started with in the plugin, before the program. */
async function nodeFlags(): Promise<readonly string[]> {
  const script = await readFile(join(repository, 'plugin/service/driver/run'), 'utf8')
  const [, flags] = /^node (.*) \S+$/m.exec(script) ?? []
  if (flags === undefined) throw new Error('the driver is started by another command than this knows')
  return flags.split(' ')
}

/** The driver as it ships, in a process of its own. */
export interface Plugin {
  readonly pid: number
  /** Speaks to it on its plugin socket. */
  readonly engine: Engine
  /** What it says it would put right. */
  differences(): Promise<string>
  /** Sends the signal and waits for the end. */
  stop(signal: NodeJS.Signals): Promise<void>
}

/** Everything of the host that an endpoint or network may leave behind. */
export interface HostState {
  readonly links: readonly string[]
  readonly ports: readonly string[]
  readonly records: string
}

/** A host with an Open vSwitch of its own (userspace datapath) and room for a plugin. */
export interface PluginHost {
  readonly netns: Netns
  readonly ovs: Ovs
  readonly socketPath: string
  /** How many connections the plugin opened to Docker's own API. */
  readonly dockerApiConnections: number
  /** Resolves when the plugin answers on its socket. */
  startPlugin(): Promise<Plugin>
  makeContainer(): Promise<Netns>
  state(): Promise<HostState>
  /** Waits until the host looks so again; rejects when it does not within `seconds`, naming what differs. */
  untilState(expected: HostState, seconds: number): Promise<void>
  /** Waits until it is so; rejects after `seconds`. */
  until(what: string, isSo: () => Promise<boolean>, seconds: number): Promise<void>
  dispose(): Promise<void>
}

/**
 * Builds the driver and makes a host; the caller calls {@link PluginHost.dispose}, whatever else happens.
 *
 * @param ovsOptions beyond what a plugin host needs of its switch.
 */
export async function makePluginHost(ovsOptions: OvsOptions = {}): Promise<PluginHost> {
  const cleanups: (() => Promise<unknown>)[] = []
  const dispose = async (): Promise<void> => {
    for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
  }
  try {
    const netns = await makeNetns()
    cleanups.push(() => netns.dispose())
    const ovs = await startOvs({ ...ovsOptions, netns: netns.name, tso: true })
    cleanups.push(() => ovs.stop())
    // It goes with the switch, however the test ends.
    const { dir } = ovs
    await promisify(execFile)('npx', ['--no-install', 'tsup', '--silent', '--out-dir', join(dir, 'dist')], {
      cwd: repository,
    })
    const docker = await listenAsDocker(join(dir, 'docker.sock'))
    cleanups.push(() => promisify(docker.server.close.bind(docker.server))())
    const socketPath = join(dir, 'ovs.sock')

    const state = async (): Promise<HostState> => {
      const { stdout } = await netns.exec('ip', '-json', 'link', 'show')
      const links = JSON.parse(stdout) as readonly { readonly ifname: string }[]
      const ports = await ovs.vsctl('--columns=name', '--format=csv', '--no-headings', 'list', 'Port')
      return {
        // ovs-vswitchd keeps the device of its userspace datapath when the last bridge goes.
        links: links
          .map(({ ifname }) => ifname)
          .filter((name) => name !== 'ovs-netdev')
          .toSorted(),
        ports: ports.split('\n').toSorted(),
        records: await ovs.vsctl('get', 'Open_vSwitch', '.', 'external_ids'),
      }
    }
    return {
      netns,
      ovs,
      socketPath,
      get dockerApiConnections() {
        return docker.connections()
      },
      async startPlugin() {
        const plugin = await spawnPlugin(dir, netns, ovs, socketPath)
        cleanups.push(() => plugin.stop('SIGKILL'))
        return plugin
      },
      async makeContainer() {
        const container = await makeNetns()
        cleanups.push(() => container.dispose())
        return container
      },
      state,
      async untilState(expected, seconds) {
        const end = Date.now() + seconds * 1000
        for (;;) {
          const [now, wanted] = [JSON.stringify(await state()), JSON.stringify(expected)]
          if (now === wanted) return
          if (Date.now() > end) throw new Error(`after ${seconds} s the host is\n${now}, not\n${wanted}`)
          await sleep(100)
        }
      },
      async until(what, isSo, seconds) {
        const end = Date.now() + seconds * 1000
        while (!(await isSo())) {
          if (Date.now() > end) throw new Error(`not after ${seconds} s: ${what}`)
          await sleep(20)
        }
      },
      dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Docker's API while the engine starts: it takes connections and answers nobody. */
async function listenAsDocker(path: string): Promise<{ server: Server; connections: () => number }> {
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    socket.on('error', () => undefined)
  })
  server.listen(path)
  await once(server, 'listening')
  return { server, connections: () => connections }
}

async function spawnPlugin(dir: string, netns: Netns, ovs: Ovs, socketPath: string): Promise<Plugin> {
  // `ip netns exec` has made a mount namespace already, so this /run is the plugin's own.
  const script = 'mount -t tmpfs none /run && ln -s "$0" /run/docker.sock && exec "$@"'
  const node = [process.execPath, ...(await nodeFlags()), join(dir, 'dist/main.cjs')]
  const command = ['sh', '-c', script, join(dir, 'docker.sock'), ...node]
  const inNamespace = ['ip', 'netns', 'exec', netns.name]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...inNamespace, ...command], {
    env: {
      PATH: process.env['PATH'],
      // The compiled driver has all but koffi in itself.
      NODE_PATH: join(process.cwd(), 'node_modules'),
      SOCKET: socketPath,
      STATE_DIR: dir,
      // That of the namespace, as it is the process's own.
      SYSCTL_DIR: '/proc/sys/net',
      OVSDB: `unix:${ovs.socketPath}`,
      LOG_LEVEL: 'debug',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const engine = new Engine(socketPath)
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    await end(child, signal)
    engine.close()
  }
  for (;;) {
    try {
      const connection = await Connection.open(socketPath)
      connection.close()
      return { pid: child.pid ?? 0, engine, stop, differences: () => askDifferences(socketPath) }
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the plugin ended: ${output}`, { cause: error })
      }
      await sleep(5)
    }
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
