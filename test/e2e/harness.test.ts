import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { chosenEngines } from './host/engines'
import { startHost, type TestHost } from './host/host'

describe.each(chosenEngines())('engine %s', (engine) => {
  let host: TestHost

  beforeAll(async () => {
    host = await startHost({ engine })
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
})
