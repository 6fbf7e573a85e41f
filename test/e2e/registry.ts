import { eventually } from './host/command'
import type { TestHost } from './host/host'

/** What the host calls a plugin in its registry. */
export const registryImage = '127.0.0.1:5000/dovesnap/ovs:test'

/** Starts an empty registry on the host. */
export async function startRegistry(host: TestHost): Promise<void> {
  await host.sh(`mkdir -p /tmp/registry; printf '%s\\n' 'version: 0.1' 'storage:' '  filesystem:' \\
    '    rootdirectory: /tmp/registry' 'http:' '  addr: 127.0.0.1:5000' >/tmp/registry.yml`)
  host.startDaemon('exec docker-registry serve /tmp/registry.yml >/tmp/registry.log 2>&1')
  await eventually('the registry listens', async () =>
    (await host.trySh('busybox wget -q -O /dev/null http://127.0.0.1:5000/v2/')).code === 0
      ? true
      : undefined,
  )
}

export async function stopRegistry(host: TestHost): Promise<void> {
  await host.sh('pkill docker-registry; rm -r /tmp/registry /tmp/registry.yml')
}

/** Puts a bundle into the registry, and leaves nothing of it on the host. */
export async function pushPlugin(host: TestHost, bundle: string, release?: string): Promise<void> {
  await host.createPlugin(bundle, registryImage, release)
  await host.docker('plugin', 'push', registryImage)
  await host.docker('plugin', 'rm', registryImage)
}
