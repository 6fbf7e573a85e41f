import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { Connection, requestText } from './connection'
import type { Engine } from './engine'
import { networkBody, newId } from './engine'
import type { Plugin, PluginHost } from './plugin-host'
import { makePluginHost } from './plugin-host'

jest.setTimeout(60_000)

/**
 * Longer than every limit that Node and Fastify set by themselves: 5 s and 72 s for idle connections, and for headers
 * 60 s, looked at every 30 s.
 */
const IDLE_MS = 92_000

let host: PluginHost
let plugin: Plugin
let engine: Engine
let idleSince: number
let usedOnce: Connection
let neverUsed: Connection

beforeAll(async () => {
  host = await makePluginHost()
  plugin = await host.startPlugin()
  engine = plugin.engine
  usedOnce = await Connection.open(host.socketPath)
  neverUsed = await Connection.open(host.socketPath)
  await usedOnce.exchange(requestText('/NetworkDriver.GetCapabilities', { host: '' }))
  idleSince = Date.now()
})

afterAll(async () => {
  usedOnce.close()
  neverUsed.close()
  await host.dispose()
})

const ids = () => ({ NetworkID: newId(), EndpointID: newId() })

describe('handshake', () => {
  it('T01 Activate names the network driver', async () => {
    const { status, text } = await engine.post('/Plugin.Activate')
    expect(status).toBe(200)
    expect(JSON.parse(text)).toEqual({ Implements: ['NetworkDriver'] })
  })

  it('T02 GetCapabilities, without a body, names scopes that Docker knows', async () => {
    expect(await engine.call('GetCapabilities')).toEqual({
      Scope: 'local',
      ConnectivityScope: 'local',
      GwAllocChecker: true,
    })
  })
})

describe('transport', () => {
  it.each([
    ['empty', ''],
    ['of newer engines', 'plugin.moby.localhost'],
    ['an escaped path', '%2Frun%2Fdocker%2Fplugins%2Fovs.sock'],
    ['missing', undefined],
  ])('T04 the Host header may be %s', async (_what, name) => {
    const connection = await Connection.open(host.socketPath)
    const body = JSON.stringify(ids())
    const text = requestText('/NetworkDriver.Leave', { host: name, body })
    expect(await connection.exchange(text)).toEqual({ status: 200, text: '{}' })
    connection.close()
  })

  it('T05 an unknown method is 404 with an Err', async () => {
    const { status, text } = await engine.post('/NetworkDriver.Fly', {})
    expect(status).toBe(404)
    expect(JSON.parse(text)).toEqual({ Err: 'unknown method POST /NetworkDriver.Fly' })
  })

  it.each(['{', '{"NetworkID": }', 'null', '[]', '"text"'])('T06 %s is a bad request', async (body) => {
    const { status, text } = await engine.post('/NetworkDriver.DeleteNetwork', body)
    expect(status).toBe(400)
    expect(JSON.parse(text)).toEqual({ Err: expect.stringMatching(/^bad request: .+/) })
  })

  it('T07 a request repeated without its body changes nothing', async () => {
    const network = await engine.createNetwork({ generic: { 'ovs.bridge.name': 'kept' } })
    const endpoint = await engine.createEndpoint(network, { Address: '10.9.0.2/24' })
    const before = await host.state()
    const methods = ['CreateNetwork', 'CreateEndpoint', 'Join', 'Leave', 'DeleteEndpoint', 'DeleteNetwork']
    for (const method of methods) {
      await expect(engine.call(method)).rejects.toThrow(/has no body: Docker repeated a request/)
    }
    expect(await host.state()).toEqual(before)
    await engine.call('DeleteEndpoint', endpoint)
    await engine.call('DeleteNetwork', { NetworkID: network })
  })

  it('T10 64 connections are served together', async () => {
    const connections = await Promise.all(Array.from({ length: 64 }, () => Connection.open(host.socketPath)))
    const replies = await Promise.all(
      connections.map((connection) =>
        connection.exchange(
          requestText('/NetworkDriver.EndpointOperInfo', { host: '', body: JSON.stringify(ids()) }),
        ),
      ),
    )
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`))).toEqual(
      new Set(['200 {"Value":{}}']),
    )
    for (const connection of connections) connection.close()
  })
})

describe('methods that need no switch', () => {
  it('T60 EndpointOperInfo of an unknown endpoint is empty', async () => {
    expect(await engine.call('EndpointOperInfo', ids())).toEqual({ Value: {} })
  })

  it.each(['DiscoverNew', 'DiscoverDelete'])('T61 %s succeeds', async (method) => {
    const DiscoveryData = { Address: '192.0.2.1', BindAddress: '', Self: true }
    expect(await engine.call(method, { DiscoveryType: 1, DiscoveryData })).toEqual({})
  })

  it('T62 AllocateNetwork and FreeNetwork succeed', async () => {
    const NetworkID = newId()
    const body = { NetworkID, Options: { k: 'v' }, IPv4Data: null, IPv6Data: null }
    expect(await engine.call('AllocateNetwork', body)).toEqual({ Options: {} })
    expect(await engine.call('FreeNetwork', { NetworkID })).toEqual({})
  })

  it('T63 GwAllocCheck keeps Docker from reserving a gateway nobody named, and refuses bad options', async () => {
    const { Options } = networkBody(newId(), {})
    expect(await engine.call('GwAllocCheck', { Options })).toEqual({ SkipIPv4: true, SkipIPv6: true })
    const bad = networkBody(newId(), { generic: { 'ovs.bridge.mtu': 'big' } })
    await expect(engine.call('GwAllocCheck', { Options: bad['Options'] })).rejects.toThrow(
      /^remote: option ovs\.bridge\.mtu=big is not valid/,
    )
  })
})

describe('a long time later', () => {
  it(
    'T09 idle connections still serve, used before or not',
    async () => {
      await sleep(idleSince + IDLE_MS - Date.now())
      const text = requestText('/NetworkDriver.Leave', { host: '', body: JSON.stringify(ids()) })
      expect(await usedOnce.exchange(text)).toEqual({ status: 200, text: '{}' })
      expect(await neverUsed.exchange(text)).toEqual({ status: 200, text: '{}' })
    },
    IDLE_MS + 10_000,
  )

  it("T74 nobody has called Docker's API", () => {
    expect(host.dockerApiConnections).toBe(0)
  })
})
