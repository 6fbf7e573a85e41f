import { afterAll, afterEach, beforeAll, beforeEach, describe, jest } from '@jest/globals'
import { slowness } from './host/command'
import { chosenEngines } from './host/engines'
import { pluginName, startHost, type TestHost } from './host/host'
import type { Snapshot } from './host/snapshot'
import { clear, createNetwork } from './lab'
import type { Lan } from './lan'
import { addLan } from './lan'
import { monitoring } from './suites/monitoring'
import { openFlow } from './suites/openflow'
import { uplinks } from './suites/uplinks'

const bundle = process.env['BUNDLE'] ?? ''

jest.setTimeout(60_000 * slowness)

describe.each(chosenEngines())('the toolbox on engine %s', (engine) => {
  let running: TestHost | undefined
  let before: Snapshot
  let lan: Lan
  const host = (): TestHost => {
    if (running === undefined) throw new Error(`no host with engine ${engine}`)
    return running
  }
  beforeAll(async () => {
    running = await startHost({ engine, name: `toolbox-${engine.replace('.', '-')}` })
    await running.importBusybox()
    await running.installPlugin(bundle)
    await running.waitForSwitch(pluginName)
    lan = await addLan(running)
    await createNetwork(running, 'first', '-o', 'ovs.bridge.mode=nat')
    await running.docker('run', '--rm', '--net', 'first', 'busybox:test', 'true')
    await running.docker('network', 'rm', 'first')
  }, 300_000 * slowness)

  beforeEach(async () => {
    before = await host().snapshot()
  })

  afterEach(async () => {
    await clear(host())
    await host().expectUnchanged(before)
  })

  afterAll(async () => {
    await running?.stop()
  })

  uplinks(host, () => lan)
  openFlow(host)
  monitoring(host)
})
