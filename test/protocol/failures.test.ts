import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { Connection, requestText } from './connection'
import type { Engine } from './engine'
import { newId } from './engine'
import type { HostState, Plugin, PluginHost } from './plugin-host'
import { makePluginHost } from './plugin-host'
import { fetchAcross } from './talk'

jest.setTimeout(60_000)

const Address = '10.9.0.2/24'

let host: PluginHost
let plugin: Plugin
let engine: Engine
let network: string
let bare: HostState

beforeEach(async () => {
  host = await makePluginHost()
  plugin = await host.startPlugin()
  engine = plugin.engine
  network = await engine.createNetwork()
  bare = await host.state()
})

afterEach(async () => {
  await host.dispose()
})

const daemons = ['serverPid', 'switchdPid'] as const

/** Holds a daemon of the switch still: it neither answers nor ends. */
async function paused<Result>(
  daemon: (typeof daemons)[number],
  work: () => Promise<Result>,
): Promise<Result> {
  const pid = host.ovs[daemon]
  if (pid === undefined) throw new Error(`${daemon}: not running`)
  process.kill(pid, 'SIGSTOP')
  try {
    return await work()
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

describe('an engine that hangs up', () => {
  it('T11 during CreateEndpoint leaves nothing of it', async () => {
    const body = JSON.stringify({ NetworkID: network, EndpointID: newId(), Interface: { Address } })
    await paused('serverPid', async () => {
      const connection = await Connection.open(host.socketPath)
      connection.write(requestText('/NetworkDriver.CreateEndpoint', { host: '', body }))
      await host.until('a link is made', hasLinkOfOurs, 10)
      connection.close()
      // Or the answer would be there first, and what Docker does not get it cannot ask to take back.
      await sleep(500)
    })
    await host.untilState(bare, 10)
  })
})

describe('a switch that does not answer', () => {
  it.each(daemons)(
    'T38 CreateEndpoint and Join fail within their deadlines, and leave nothing (%s)',
    async (daemon) => {
      await paused(daemon, async () => {
        const EndpointID = newId()
        const attached = engine
          .createEndpoint(network, { Address }, {}, EndpointID)
          .then((endpoint) => engine.join(endpoint))
        await expect(attached).rejects.toThrow(/^remote: \S+/)
        // An engine does so after either.
        await engine.call('DeleteEndpoint', { NetworkID: network, EndpointID }).catch(() => undefined)
      })
      await host.untilState(bare, 20)
      const endpoint = await engine.createEndpoint(network, { Address })
      await engine.call('DeleteEndpoint', endpoint)
      expect(await host.state()).toEqual(bare)
    },
  )

  it('T70 that is not there: the plugin starts and answers, and what needs the switch fails and says why', async () => {
    await plugin.stop('SIGTERM')
    await host.ovs.stopServer()
    plugin = await host.startPlugin()
    engine = plugin.engine
    expect(await engine.call('GetCapabilities')).toMatchObject({ Scope: 'local' })
    await expect(engine.createNetwork()).rejects.toThrow(
      /^remote: Open vSwitch does not answer at unix:\S+ \(.+\): start it, or choose another/,
    )
    await host.ovs.startServer()
    const endpoint = await engine.createEndpoint(network, { Address })
    await engine.call('DeleteEndpoint', endpoint)
  })

  it('T71 that comes back with an empty database takes new networks', async () => {
    await host.ovs.stopSwitchd()
    await host.ovs.stopServer()
    await host.ovs.replaceDatabase()
    await host.ovs.startServer()
    await host.ovs.vsctl('--no-wait', 'init')
    await host.ovs.startSwitchd()
    const again = await engine.createNetwork()
    await engine.createEndpoint(again, { Address })
    await expect(engine.createEndpoint(network, { Address })).rejects.toThrow(/is not known/)
  })
})

describe('a plugin that stops', () => {
  it('T72 at SIGTERM ends within 5 s, and containers talk on', async () => {
    const [first, second] = await Promise.all([host.makeContainer(), host.makeContainer()])
    await engine.attach(host.netns, first, network, { Address })
    await engine.attach(host.netns, second, network, { Address: '10.9.0.3/24' })
    const attached = await host.state()
    const ended = plugin.stop('SIGTERM').then(() => 'ended')
    expect(await Promise.race([ended, sleep(5_000, 'still there', { ref: false })])).toBe('ended')
    expect(await host.state()).toEqual(attached)
    expect(await fetchAcross(first, second, '10.9.0.3')).toBe('hello')
  })

  it('T72 at SIGTERM ends within 5 s, with a call under way that the switch holds up', async () => {
    await paused('switchdPid', async () => {
      const endpoint = await engine.createEndpoint(network, { Address })
      const call = engine.join(endpoint).catch(() => undefined)
      const ended = plugin.stop('SIGTERM').then(() => 'ended')
      expect(await Promise.race([ended, sleep(5_000, 'still there', { ref: false })])).toBe('ended')
      await call
    })
  })

  it('T73 at SIGKILL leaves a socket file, which the next one replaces', async () => {
    await plugin.stop('SIGKILL')
    await expect(Connection.open(host.socketPath)).rejects.toThrow(/ECONNREFUSED/)
    plugin = await host.startPlugin()
    expect(await plugin.engine.call('GetCapabilities')).toMatchObject({ Scope: 'local' })
  })

  it('between CreateEndpoint and Join: nothing is left of the endpoint within 5 s of the next start', async () => {
    await engine.createEndpoint(network, { Address })
    expect(await host.state()).not.toEqual(bare)
    await plugin.stop('SIGKILL')
    plugin = await host.startPlugin()
    await host.untilState(bare, 5)
  })

  it('T46 over a reboot: the rows of links that are gone go at the next start', async () => {
    const container = await host.makeContainer()
    await engine.attach(host.netns, container, network, { Address })
    await plugin.stop('SIGKILL')
    await container.dispose()
    plugin = await host.startPlugin()
    await host.untilState(bare, 5)
  })
})

async function hasLinkOfOurs(): Promise<boolean> {
  return (await host.netns.exec('ip', '-o', 'link')).stdout.includes('ovs-veth0-')
}
