import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { damage, makeCrowd } from './crowd'
import type { PluginHost } from './plugin-host'
import { makePluginHost } from './plugin-host'

jest.setTimeout(300_000)

let host: PluginHost

beforeAll(async () => {
  host = await makePluginHost()
})

afterAll(async () => {
  await host.dispose()
})

describe('200 networks and 1000 endpoints', () => {
  it('are as they were after a restart of the driver, a tenth of ports, addresses and rules damaged meanwhile', async () => {
    const first = await host.startPlugin()
    await makeCrowd(host, first.engine, { networks: 200, endpoints: 1000 })
    expect(await first.differences()).toBe('')
    const before = await host.state()
    await first.stop('SIGKILL')
    await damage(host)

    const started = performance.now()
    const second = await host.startPlugin()
    const listening = performance.now() - started
    expect((await second.differences()).trim().split('\n').length).toBeGreaterThan(100)
    await host.until('no difference is left', async () => (await second.differences()) === '', 60)
    const reconciled = performance.now() - started
    process.stderr.write(
      `1000 endpoints: listening after ${Math.round(listening)} ms, reconciled after ${Math.round(reconciled)} ms\n`,
    )
    expect(await host.state()).toEqual(before)
    await second.stop('SIGTERM')
  })
})
