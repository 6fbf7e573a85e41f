import { afterAll, afterEach, beforeAll, beforeEach, describe, jest } from '@jest/globals'
import { slowness } from './host/command'
import { chosenEngines } from './host/engines'
import { startHost, type TestHost } from './host/host'
import type { Snapshot } from './host/snapshot'
import { clear, createNetwork } from './lab'

const bundle = process.env['BUNDLE'] ?? ''

/**
 * Runs suites on a host of its own for every engine chosen, and checks after each test that the host is as it was before.
 *
 * @param kind tells the hosts of several files apart.
 */
export function onEveryEngine(kind: string, suites: (host: () => TestHost, bundle: string) => void): void {
  jest.setTimeout(60_000 * slowness)
  describe.each(chosenEngines())('engine %s', (engine) => {
    let running: TestHost | undefined
    let before: Snapshot
    const host = (): TestHost => {
      if (running === undefined) throw new Error(`no host with engine ${engine}`)
      return running
    }

    beforeAll(async () => {
      if (bundle === '') throw new Error('BUNDLE is to name the folder of the bundle: use make test-e2e')
      running = await startHost({ engine, name: `${kind}-${engine.replace('.', '-')}` })
      try {
        await furnish(running)
      } catch (error) {
        throw new Error(`engine ${engine} with the plugin:\n${await running.engineLog()}`, { cause: error })
      }
    }, 300_000 * slowness)

    beforeEach(async () => {
      before = await host().snapshot()
    })

    // Whatever a test is about: when its containers and networks are gone the host is as it was.
    afterEach(async () => {
      await clear(host())
      await host().expectUnchanged(before)
    })

    afterAll(async () => {
      await running?.stop()
    })

    suites(host, bundle)
  })
}

/** The image, the plugin, and what the engine and the switch make once and then keep. */
async function furnish(host: TestHost): Promise<void> {
  await host.importBusybox()
  // The engine keeps the firewall tables that its first container needed.
  await host.docker('network', 'create', 'first')
  await host.docker('run', '--rm', '--net', 'first', 'busybox:test', 'true')
  await host.docker('network', 'rm', 'first')
  await host.installPlugin(bundle)
  // The plugin answers before its switch is up; a network is there once that is.
  // In nat mode, because iptables keeps the empty chains of the kernel's hooks that it once needed.
  await createNetwork(host, 'first', '-o', 'ovs.bridge.mode=nat', '--ipv6', '--subnet', 'fd70::/64')
  await host.docker('run', '--rm', '--net', 'first', 'busybox:test', 'true')
  await host.docker('network', 'rm', 'first')
}
