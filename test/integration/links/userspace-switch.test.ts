import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Netns } from '../../fixtures/netns'
import { makeNetns } from '../../fixtures/netns'
import type { Ovs } from '../../fixtures/ovs'
import { startOvs } from '../../fixtures/ovs'
import { linksIn, never, pair } from './fixture'

/** An address of the host that its containers have no business with. */
const HOST_ADDRESS = '192.0.2.1'
const HOST_LINK_LOCAL = 'fe80::1'

let host: Netns
let containers: readonly [Netns, Netns]
let ovs: Ovs | undefined

beforeEach(async () => {
  host = await makeNetns()
  containers = [await makeNetns(), await makeNetns()]
})

afterEach(async () => {
  await ovs?.stop()
  ovs = undefined
  for (const netns of [host, ...containers]) await netns.dispose()
})

const hostLink = (index: number): string => `ovs-veth0-${index}`
const address = (index: number): string => `10.9.0.${index + 2}`
const linkLocal = (index: number): string => `fe80::9:${index + 2}`

interface Wiring {
  readonly tso?: boolean
  readonly transmitOffload?: boolean
  readonly bypassHostStack: boolean
}

/** Two containers on a userspace bridge, moved and addressed as Docker does. */
async function wire({ tso = false, transmitOffload = false, bypassHostStack }: Wiring): Promise<void> {
  ovs = await startOvs({ netns: host.name, tso })
  await ovs.vsctl('add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'datapath_type=netdev')
  for (const [index, container] of containers.entries()) {
    const containerLink = `ethc${index}`
    const macAddress = `02:42:0a:09:00:0${index + 2}`
    await linksIn(host).ensureVethPair(
      {
        ...pair,
        hostLink: hostLink(index),
        containerLink,
        mtu: 1500,
        macAddress,
        transmitOffload,
        bypassHostStack,
      },
      never,
    )
    await ovs.vsctl('add-port', 'br0', hostLink(index))
    await host.exec('ip', 'link', 'set', 'dev', containerLink, 'netns', container.name, 'name', 'eth0')
    await container.exec('ip', 'address', 'add', `${address(index)}/24`, 'dev', 'eth0')
    await container.exec('ip', 'link', 'set', 'dev', 'eth0', 'addrgenmode', 'none', 'up')
    await container.exec('ip', 'address', 'add', `${linkLocal(index)}/64`, 'dev', 'eth0', 'nodad')
  }
}

const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  )

const pings = (from: Netns, target: string): Promise<boolean> =>
  succeeds(from.exec('busybox', 'ping', '-c', '2', '-i', '0.2', '-W', '1', target))

describe('a container on the userspace datapath', () => {
  it.each([
    ['reaches the host past the switch', { bypassHostStack: false }, true],
    ['is kept from the host where its stack is bypassed', { bypassHostStack: true }, false],
  ])(
    '%s',
    async (_, wiring, reaches) => {
      await wire(wiring)
      const [container] = containers
      await host.exec('ip', 'address', 'add', `${HOST_ADDRESS}/32`, 'dev', 'lo')
      await host.exec('ip', 'route', 'add', address(0), 'dev', hostLink(0))
      await host.exec('ip', 'address', 'add', `${HOST_LINK_LOCAL}/64`, 'dev', hostLink(0), 'nodad')
      await container.exec('ip', 'route', 'add', HOST_ADDRESS, 'dev', 'eth0')

      expect(await pings(container, address(1))).toBe(true)
      expect(await pings(container, `${linkLocal(1)}%eth0`)).toBe(true)
      expect({
        arp: await succeeds(
          container.exec('busybox', 'arping', '-f', '-c', '2', '-w', '2', '-I', 'eth0', HOST_ADDRESS),
        ),
        ipv4: await pings(container, HOST_ADDRESS),
        ipv6: await pings(container, `${HOST_LINK_LOCAL}%eth0`),
      }).toEqual({ arp: reaches, ipv4: reaches, ipv6: reaches })
    },
    30_000,
  )
})

const BYTES = 8_000_000

const receiver = `
  const server = require('node:net').createServer((socket) => {
    let size = 0
    socket.on('data', (chunk) => (size += chunk.length))
    socket.on('end', () => { console.log(size); socket.end(); server.close() })
  }).listen(7000)`

const sender = (target: string): string => `
  const connect = () => {
    const socket = require('node:net').connect(7000, '${target}')
    socket.on('connect', () => socket.end(Buffer.alloc(${BYTES}, 'x')))
    socket.on('error', () => setTimeout(connect, 50))
    socket.resume()
  }
  connect()`

describe('TCP between two containers on the userspace datapath', () => {
  it.each([
    ['without its segmentation offload and without transmit offload', false],
    ['with its segmentation offload and with transmit offload', true],
  ])(
    '%s',
    async (_, offload) => {
      await wire({ tso: offload, transmitOffload: offload, bypassHostStack: true })
      const [from, to] = containers
      const options = { signal: AbortSignal.timeout(10_000) }
      const [received] = await Promise.all([
        to.run(process.execPath, ['-e', receiver], options),
        from.run(process.execPath, ['-e', sender(address(1))], options),
      ])
      expect(received.stdout.trim()).toBe(String(BYTES))
    },
    30_000,
  )
})
