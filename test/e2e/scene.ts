import { afterAll, afterEach, beforeAll, beforeEach, describe, jest } from '@jest/globals'
import { slowness } from './host/command'
import { chosenEngines } from './host/engines'
import { pluginName, startHost, type HostOptions, type TestHost } from './host/host'
import type { Snapshot } from './host/snapshot'
import { clear, createNetwork } from './lab'

/** The folder of the bundle under test. */
export const bundle = process.env['BUNDLE'] ?? ''

type Cleanup = () => Promise<unknown>

/** The hosts of a file's tests. */
export interface Scene extends Pick<HostOptions, 'engineOptions' | 'prepare'> {
  /** `%s` stands for the engine's release. */
  readonly title: string
  /** One for each host, which tell those of several files apart. */
  readonly names: readonly string[]
  /** The hosts can run an Open vSwitch of their own. */
  readonly hasSwitch?: true
  /** Each test's time. */
  readonly seconds: number
  /**
   * Makes what the tests need, and what engine and switch make once and then keep. The image is there.
   *
   * @returns what takes back what does not go with the hosts.
   */
  readonly furnish: (hosts: readonly TestHost[]) => Promise<Cleanup | undefined>
}

/**
 * Runs suites for every engine chosen, and checks after each test that the hosts are as they were before: whatever it is
 * about, its containers and networks are gone.
 */
export function onHosts(
  { title, names, hasSwitch, engineOptions = [], prepare = '', seconds, furnish }: Scene,
  suites: (hosts: () => readonly TestHost[]) => void,
): void {
  jest.setTimeout(seconds * 1000 * slowness)
  describe.each(chosenEngines())(title, (engine) => {
    const hosts: TestHost[] = []
    let before: readonly Snapshot[] = []
    let cleanUp: Cleanup | undefined

    beforeAll(async () => {
      if (bundle === '') throw new Error('BUNDLE is to name the folder of the bundle: use make test-e2e')
      for (const name of names) {
        const host = await startHost({
          engine,
          name: `${name}-${engine.replace('.', '-')}`,
          hasSwitch: hasSwitch === true,
          engineOptions,
          prepare,
        })
        hosts.push(host)
        await host.importBusybox()
      }
      try {
        cleanUp = await furnish(hosts)
      } catch (error) {
        const logs = await Promise.all(hosts.map((host) => host.engineLog()))
        throw new Error(`engine ${engine} with the plugin:\n${logs.join('\n')}`, { cause: error })
      }
    }, 300_000 * slowness)

    beforeEach(async () => {
      before = await Promise.all(hosts.map((host) => host.snapshot()))
    })

    afterEach(async () => {
      for (const [index, host] of hosts.entries()) {
        await clear(host)
        await host.expectUnchanged(before[index] ?? [])
      }
    })

    afterAll(async () => {
      for (const host of hosts) await host.stop()
      await cleanUp?.()
    })

    suites(() => hosts)
  })
}

/** As {@link onHosts}, with one host. */
export function onHost(
  {
    name,
    furnish,
    ...scene
  }: Omit<Scene, 'names' | 'furnish'> & {
    readonly name: string
    readonly furnish: (host: TestHost) => Promise<void>
  },
  suites: (host: () => TestHost) => void,
): void {
  const only = ([host]: readonly TestHost[]): TestHost => {
    if (host === undefined) throw new Error(`no host ${name}`)
    return host
  }
  const furnishOnly = async (hosts: readonly TestHost[]): Promise<undefined> => {
    await furnish(only(hosts))
  }
  onHosts({ ...scene, names: [name], furnish: furnishOnly }, (hosts) => {
    suites(() => only(hosts()))
  })
}

/** A host with the plugin and its embedded switch, after engine and switch made what they make once and then keep. */
export async function furnishWithPlugin(host: TestHost): Promise<void> {
  // The engine keeps the firewall tables that its first container needed.
  await host.docker('network', 'create', 'first')
  await host.docker('run', '--rm', '--net', 'first', 'busybox:test', 'true')
  await host.docker('network', 'rm', 'first')
  await host.installPlugin(bundle)
  // The plugin answers before its switch is up.
  await host.waitForSwitch(pluginName)
  await useOnce(host, '--ipv6', '--subnet', 'fd70::/64')
}

/** In nat mode, because iptables keeps the empty chains of the kernel's hooks that it once needed. */
export async function useOnce(host: TestHost, ...options: readonly string[]): Promise<void> {
  await createNetwork(host, 'first', '-o', 'ovs.bridge.mode=nat', ...options)
  await host.docker('run', '--rm', '--net', 'first', 'busybox:test', 'true')
  await host.docker('network', 'rm', 'first')
}
