import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { eventually } from './host/command'
import { chosenEngines } from './host/engines'
import { startHost, type TestHost } from './host/host'
import { joinHosts } from './host/join'

describe.each(chosenEngines())('engine %s', (engine) => {
  let host: TestHost

  beforeAll(async () => {
    host = await startHost({ engine, name: `harness-${engine.replace('.', '-')}` })
    await host.importBusybox()
  }, 300_000)

  afterAll(async () => {
    await host.stop()
  }, 60_000)

  it('is the release that was asked for', async () => {
    const { stdout } = await host.docker('version', '-f', '{{.Server.Version}}')
    expect(stdout.startsWith(`${engine}.`)).toBe(true)
  })

  it("carries traffic by name over Docker's own bridge and forgets it without a trace", async () => {
    // The engine keeps the firewall tables that its first container needed.
    await host.docker('network', 'create', 'first')
    await host.docker('run', '--rm', '--net', 'first', 'busybox:test', 'true')
    await host.docker('network', 'rm', 'first')
    const before = await host.snapshot()
    await host.docker('network', 'create', 'plain')
    await host.docker('run', '-d', '--name', 'web', '--net', 'plain', 'busybox:test', 'sleep', '600')
    const ping = await host.docker('run', '--rm', '--net', 'plain', 'busybox:test', 'ping', '-c', '1', 'web')
    expect(ping.stdout).toContain('1 packets received')
    await expect(host.expectUnchanged(before, 0)).rejects.toThrow('is not as it was')
    await host.docker('rm', '-f', 'web')
    await host.docker('network', 'rm', 'plain')
    await host.expectUnchanged(before)
  }, 60_000)

  it('is joined to another host by a wire of their own', async () => {
    const other = await startHost({ engine, name: 'other' })
    try {
      const wire = await joinHosts([host, other])
      try {
        await host.sh(`busybox ping -c 2 -W 3 ${wire.addresses[1] ?? ''}`)
      } finally {
        await wire.dispose()
      }
      // The kernel deletes a namespace's links a moment after the namespace.
      await eventually('eth1 is gone', async () =>
        (await host.trySh('ip link show dev eth1')).code === 0 ? undefined : true,
      )
    } finally {
      await other.stop()
    }
  }, 60_000)
})
