import type { Engine } from '../e2e/host/engines'
import type { TestHost } from '../e2e/host/host'
import { pluginName, startHost } from '../e2e/host/host'

/** A host to measure on: an engine, the plugin with its switch up, and an image. */
export async function startSubject(bundle: string, engine: Engine, name: string): Promise<TestHost> {
  const host = await startHost({ engine, name })
  try {
    await host.importBusybox()
    await host.installPlugin(bundle)
    await host.waitForSwitch(pluginName)
  } catch (error) {
    await host.stop()
    throw error
  }
  return host
}

/** Rejects unless a network of the plugin's on the host is on the kernel's datapath: figures of the other would pass for its. */
export async function expectKernelDatapath(host: TestHost): Promise<void> {
  await host.sh('ip link show ovs-system')
}
