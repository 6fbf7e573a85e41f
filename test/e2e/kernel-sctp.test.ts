import { expect, it } from '@jest/globals'
import { askSctp, serveSctp } from '../fixtures/sctp'
import { DATAPATHS } from './datapaths'
import { asOptions, createNetwork, startContainer } from './lab'
import { enterContainer, enterHost, HOST4, HOST6 } from './outside'
import { BLUE, NAT, RED, routedScene } from './routed-scene'
import { furnishWithPlugin, onHost } from './scene'

onHost({ title: 'SCTP on engine %s', name: 'sctp', seconds: 120, furnish: furnishWithPlugin }, (host) => {
  const { outside } = routedScene(host)

  it.each([['docker', ''] as const, ...DATAPATHS])('explore %s', async (kind, datapath) => {
    if (kind === 'docker') {
      await host().docker('network', 'create', ...RED, 'red')
      await host().docker('network', 'create', ...BLUE, 'blue')
    } else {
      await createNetwork(host(), 'red', ...NAT, ...RED, ...asOptions(datapath))
      await createNetwork(host(), 'blue', ...NAT, ...BLUE, ...asOptions(datapath))
    }
    const ports = ['-p', '8080:80/sctp', '-p', '127.0.0.1:8081:80/sctp']
    await startContainer(host(), 'web', 'red', '--ip', '10.71.0.10', '--ip6', 'fd71::10', ...ports)
    await startContainer(host(), 'peer', 'red')
    await startContainer(host(), 'other', 'blue')
    const stop = await serveSctp(await enterContainer(host(), 'web'), 80)
    const from = {
      outside: outside().enter,
      host: enterHost(host()),
      peer: await enterContainer(host(), 'peer'),
      other: await enterContainer(host(), 'other'),
    }
    const told: string[] = []
    for (const [where, address, port] of [
      ['peer', '10.71.0.10', 80],
      ['outside', HOST4, 8080],
      ['outside', HOST6, 8080],
      ['outside', HOST4, 80],
      ['host', HOST4, 8080],
      ['host', '127.0.0.1', 8080],
      ['host', '127.0.0.1', 8081],
      ['host', '::1', 8080],
      ['peer', HOST4, 8080],
      ['other', HOST4, 8080],
      ['other', HOST6, 8080],
    ] as const) {
      told.push(`${where} ${address} ${port}: ${(await askSctp(from[where], address, port)) ?? 'nobody'}`)
    }
    process.stderr.write(`${kind}:\n${told.join('\n')}\n`)
    expect(told).toHaveLength(11)
    stop()
  })
})
