import { expect, it } from '@jest/globals'
import { pluginName, type TestHost } from '../host/host'
import { expectReach, startContainer, startPair, whilePinging } from '../lab'
import { useOnce } from '../scene'
import { startSwitch } from '../own-switch'

const settings = ['ovs.source=/run']

/** A host that runs an Open vSwitch of its own, with the plugin that uses it. */
export function ownSwitchScene(name: string, bundle: string) {
  return {
    title: "engine %s with the host's own Open vSwitch",
    name,
    hasSwitch: true,
    seconds: 120,
    async furnish(host: TestHost): Promise<void> {
      await startSwitch(host)
      await host.installPlugin(bundle, { settings })
      await useOnce(host)
    },
  } as const
}

/** The plugin comes and goes, and the host's Open vSwitch stays. */
export function ownSwitch(host: () => TestHost, bundle: string): void {
  it('uses it, and starts none of its own', async () => {
    await startPair(host())
    expect((await host().sh('ovs-vsctl list-br')).stdout).toMatch(/^ovsbr-\w{5}\n$/)
    expect((await host().sh('pgrep -c ovs-vswitchd')).stdout).toBe('1\n')
  })

  it('loses no packet where the plugin is disabled by force and enabled again', async () => {
    await startPair(host())
    await whilePinging(host(), async () => {
      await host().docker('plugin', 'disable', '-f', pluginName)
      await host().docker('plugin', 'enable', pluginName)
    })
    await startContainer(host(), 'late', 'mynet')
    await expectReach(host(), 'late', 'web')
  })

  it('knows its networks still where the plugin is removed by force and created again', async () => {
    await startPair(host())
    await whilePinging(host(), async () => {
      await host().docker('plugin', 'rm', '-f', pluginName)
      await host().installPlugin(bundle, { settings })
    })
    await startContainer(host(), 'late', 'mynet')
    await expectReach(host(), 'late', 'web')
  })
}
