import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandError, eventually, slowness, tryRun, type CommandResult, type RunOptions } from './command'
import { engineRootfs, type Engine } from './engines'
import { startNamespaces, type Namespaces } from './namespaces'
import { diff, firewallFacts, linkFacts, processFacts, switchFacts, type Snapshot } from './snapshot'

export const pluginName = 'dovesnap/ovs:latest'

export interface HostOptions {
  readonly engine: Engine
  /** The host name, and what errors call it. */
  readonly name?: string
  /** True: the host runs an Open vSwitch of its own, and the plugin uses that. */
  readonly hasSwitch?: boolean
  /** What dockerd is started with, beside what the host itself asks of it. */
  readonly engineOptions?: readonly string[]
  /** A shell script that runs in the host before its engine starts for the first time. */
  readonly prepare?: string
}

export interface PluginOptions {
  readonly name?: string
  /** As for `docker plugin set`. */
  readonly settings?: readonly string[]
}

/** A host of its own: namespaces, a Docker Engine of the wanted release and nothing else. */
export async function startHost({
  engine,
  name = `engine-${engine.replace('.', '-')}`,
  hasSwitch = false,
  engineOptions = [],
  prepare = '',
}: HostOptions): Promise<TestHost> {
  const namespaces = await startNamespaces(await engineRootfs(engine), name)
  const host = new TestHost(engine, name, hasSwitch, engineOptions, namespaces)
  try {
    await host.sh(prepare)
    await host.startEngine()
  } catch (error) {
    await host.stop()
    throw error
  }
  return host
}

export class TestHost {
  constructor(
    readonly engine: Engine,
    readonly name: string,
    private readonly hasSwitch: boolean,
    private readonly engineOptions: readonly string[],
    private readonly namespaces: Namespaces,
  ) {}

  /** The host's init process as the machine sees it, for nsenter. */
  get pid(): number {
    return this.namespaces.pid
  }

  /** Starts dockerd and waits until it answers. */
  async startEngine(): Promise<void> {
    // The driver for cgroups must be named: on a unified hierarchy the default is systemd's.
    const options = ['--exec-opt native.cgroupdriver=cgroupfs', ...this.engineOptions].join(' ')
    this.namespaces.start(`exec dockerd ${options} >>/var/log/dockerd.log 2>&1`)
    try {
      await eventually(
        'dockerd answers',
        async () => ((await this.tryDocker('version')).code === 0 ? true : undefined),
        60_000,
      )
    } catch (error) {
      throw new Error(`dockerd of ${this.name}:\n${await this.engineLog()}`, { cause: error })
    }
  }

  /** Ends dockerd with the signal and waits until it is gone. */
  async stopEngine(signal: 'TERM' | 'KILL' = 'TERM'): Promise<void> {
    const pid = (await this.sh('cat /run/docker.pid')).stdout.trim()
    await this.sh(`kill -${signal} ${pid}`)
    await eventually(
      'dockerd is gone',
      async () => ((await this.trySh(`kill -0 ${pid}`)).code === 0 ? undefined : true),
      60_000,
    )
    await this.sh('rm -f /run/docker.pid')
  }

  /** As when the power fails: every process ends at once, links and rules are gone, the disks stay. No engine yet. */
  reboot(): Promise<void> {
    return this.namespaces.reboot()
  }

  /** The last lines of dockerd's log, which holds the plugin's as well. */
  async engineLog(lines = 40): Promise<string> {
    return (await this.trySh(`tail -n ${lines} /var/log/dockerd.log`)).stdout
  }

  /** Runs a program inside the host's namespaces, whatever its exit code. */
  tryExec(command: readonly string[], options?: RunOptions): Promise<CommandResult> {
    return tryRun(
      ['nsenter', '-t', String(this.pid), '-m', '-n', '-u', '-i', '-p', '-C', '--', ...command],
      options,
    )
  }

  private async exec(command: readonly string[], options?: RunOptions): Promise<CommandResult> {
    const result = await this.tryExec(command, options)
    if (result.code !== 0) throw new CommandError([`${this.name}:`, ...command], result)
    return result
  }

  /** Runs a shell script inside the host; rejects with a CommandError unless it exits with 0. */
  sh(script: string, options?: RunOptions): Promise<CommandResult> {
    return this.exec(['sh', '-ec', script], options)
  }

  trySh(script: string, options?: RunOptions): Promise<CommandResult> {
    return this.tryExec(['sh', '-ec', script], options)
  }

  /** Runs the docker client; rejects with a CommandError unless it exits with 0. */
  docker(...args: readonly string[]): Promise<CommandResult> {
    return this.exec(['docker', ...args])
  }

  tryDocker(...args: readonly string[]): Promise<CommandResult> {
    return this.tryExec(['docker', ...args])
  }

  /** Starts a shell command that runs until it ends or the host does. */
  startDaemon(command: string): void {
    this.namespaces.start(command)
  }

  /** Makes the image `busybox:test`: busybox and a link for each of its applets, without a registry. */
  async importBusybox(): Promise<void> {
    await this.sh(`
      root=$(mktemp -d)
      mkdir "$root/bin" "$root/tmp" "$root/etc"
      cp /bin/busybox "$root/bin/"
      for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
      tar -C "$root" -c . | docker import - busybox:test
      rm -r "$root"`)
  }

  /**
   * Creates a plugin, not enabled yet, of a bundle folder of this machine.
   *
   * @param release told by a file of its own, so that the root file system is another one.
   */
  async createPlugin(bundle: string, name = pluginName, release?: string): Promise<void> {
    const folder = (await this.sh('mktemp -d')).stdout.trim()
    const copy = join(`/proc/${this.pid}/root`, folder, 'bundle')
    await cp(bundle, copy, { recursive: true, verbatimSymlinks: true })
    if (release !== undefined) await this.sh(`echo ${release} >${folder}/bundle/rootfs/usr/share/doc/release`)
    await this.docker('plugin', 'create', name, join(folder, 'bundle'))
    await this.sh(`rm -r ${folder}`)
  }

  /** As {@link createPlugin}, and enables it with these settings. */
  async installPlugin(
    bundle: string,
    { name = pluginName, settings = [] }: PluginOptions = {},
  ): Promise<void> {
    await this.createPlugin(bundle, name)
    if (settings.length > 0) await this.docker('plugin', 'set', name, ...settings)
    await this.docker('plugin', 'enable', name)
  }

  /** Runs one of the switch's tools where the switch is. */
  async ovs(tool: string, ...args: readonly string[]): Promise<CommandResult> {
    return this.hasSwitch ? this.exec([tool, ...args]) : this.ovsOf(pluginName, tool, ...args)
  }

  /** What the driver says it would put right, as README shows to ask it. */
  async differences(): Promise<string> {
    return (await this.ovsOf(pluginName, 'dovesnap-differences')).stdout
  }

  /** Runs one of the tools of a plugin, where its own switch is. */
  async ovsOf(plugin: string, tool: string, ...args: readonly string[]): Promise<CommandResult> {
    return this.exec(['nsenter', '-t', await this.pluginPid(plugin), '-m', '-p', '--', tool, ...args])
  }

  /** Waits until the plugin's own switch is up; the plugin is enabled before that. */
  async waitForSwitch(plugin: string): Promise<void> {
    await eventually('the switch answers', () => this.ovsOf(plugin, 'ovs-appctl', 'version'))
  }

  async pluginId(plugin = pluginName): Promise<string> {
    return (await this.docker('plugin', 'inspect', '-f', '{{.Id}}', plugin)).stdout.trim()
  }

  /** The plugin's first process, in the host's own numbering. */
  private async pluginPid(plugin: string): Promise<string> {
    const tasks = '/run/docker/containerd/daemon/io.containerd.runtime.v2.task/plugins.moby'
    const task = `${tasks}/${await this.pluginId(plugin)}/init.pid`
    return (await this.sh(`cat ${task}`)).stdout.trim()
  }

  /** Everything a network or container of ours could leave behind: links, processes, firewall rules, rows. */
  async snapshot(): Promise<Snapshot> {
    const [links, firewall, rows] = await Promise.all([
      this.sh('ip -o link show'),
      this.sh('nft list ruleset'),
      this.switchRows(),
    ])
    // Alone, or it would show the others.
    const processes = await this.sh('ps -e -o stat=,pid=,ppid=,args=')
    return [
      ...linkFacts(links.stdout),
      ...processFacts(processes.stdout),
      ...firewallFacts(firewall.stdout),
      ...rows,
    ]
  }

  private async switchRows(): Promise<Snapshot> {
    if ((await this.tryDocker('plugin', 'inspect', pluginName)).code !== 0) return []
    const tables = ['Bridge', 'Port', 'Interface'].map(async (table) =>
      switchFacts(
        table,
        (
          await this.ovs(
            'ovs-vsctl',
            '--no-headings',
            '--columns=name,external_ids',
            '--format=csv',
            'list',
            table,
          )
        ).stdout,
      ),
    )
    const records = (await this.ovs('ovs-vsctl', 'get', 'Open_vSwitch', '.', 'external_ids')).stdout
    return [...(await Promise.all(tables)).flat(), ...switchFacts('records', records)]
  }

  /**
   * Waits until the host holds again what it held at the snapshot; rejects with what is new and what is missing
   * otherwise. It waits because the engine's helpers end a moment after the command that used them.
   */
  async expectUnchanged(before: Snapshot, deadlineMs = 10_000): Promise<void> {
    const end = Date.now() + deadlineMs * slowness
    for (;;) {
      const { added, removed } = diff(before, await this.snapshot())
      if (added.length === 0 && removed.length === 0) return
      if (Date.now() > end) {
        const list = [...added.map((fact) => `+ ${fact}`), ...removed.map((fact) => `- ${fact}`)]
        throw new Error(`${this.name} is not as it was:\n${list.join('\n')}`)
      }
    }
  }

  /** Ends the host and removes all of it. */
  stop(): Promise<void> {
    return this.namespaces.stop()
  }
}
