import { expect, it } from '@jest/globals'
import { capture } from '../fixtures/capture'
import { eventually, tryRun } from './host/command'
import { pluginName, type TestHost } from './host/host'
import type { Wire } from './host/join'
import { joinHosts } from './host/join'
import {
  asOptions,
  clear,
  createNetwork,
  expectReach,
  inside,
  startContainer,
  untilNothingDiffers,
} from './lab'
import { enterHost } from './outside'
import type { Scene } from './scene'
import { bundle, onHosts, useOnce } from './scene'

let wire: Wire

const scene: Scene = {
  title: 'two hosts with engine %s in a swarm',
  names: ['swarm-a', 'swarm-b'],
  seconds: 180,
  async furnish(hosts) {
    // The namespace of Docker's load balancer has what the machine's first one has, which a real host's engine turned on.
    await tryRun(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1'])
    for (const host of hosts) {
      await host.installPlugin(bundle)
      await host.waitForSwitch(pluginName)
    }
    wire = await joinHosts(hosts)
    for (const host of hosts) await useOnce(host)
    // Chains of the packet filter and docker_gwbridge stay when a swarm is left.
    try {
      await startSwarm(both(hosts))
    } finally {
      await leaveSwarm(both(hosts))
    }
    for (const host of hosts) await clear(host)
    return async () => {
      await wire.dispose()
      await tryRun(['sysctl', '-q', '-w', 'net.ipv4.ip_forward=0'])
    }
  },
}

interface Both {
  readonly manager: TestHost
  readonly worker: TestHost
}

function both([manager, worker]: readonly TestHost[]): Both {
  if (manager === undefined || worker === undefined) throw new Error('no two hosts')
  return { manager, worker }
}

/** A swarm with a service that publishes port 8080, and a container of its overlay network on each host. */
async function startSwarm({ manager, worker }: Both): Promise<void> {
  await manager.docker('swarm', 'init', '--advertise-addr', '192.0.2.1')
  const token = (await manager.docker('swarm', 'join-token', '-q', 'worker')).stdout.trim()
  await worker.docker('swarm', 'join', '--advertise-addr', '192.0.2.2', '--token', token, '192.0.2.1:2377')
  await manager.docker(
    'network',
    'create',
    '-d',
    'overlay',
    '--attachable',
    '--subnet',
    '10.100.0.0/24',
    'over',
  )
  const service = ['--no-resolve-image', '--name', 'page', '--network', 'over', '--publish', '8080:80']
  await manager.docker('service', 'create', ...service, 'busybox:test', 'httpd', '-f', '-h', '/etc')
  await startContainer(manager, 'here', 'over', '--ip', '10.100.0.101')
  await startContainer(worker, 'there', 'over', '--ip', '10.100.0.102')
}

async function leaveSwarm({ manager, worker }: Both): Promise<void> {
  await manager.trySh('docker service rm page; docker rm -f here')
  await worker.trySh('docker rm -f there; docker swarm leave')
  await manager.trySh('docker network rm over; docker swarm leave --force')
}

/** Across the hosts, by the overlay network, by the service's one address and by its published port on either host. */
async function expectSwarmWorks({ manager, worker }: Both): Promise<void> {
  await expectReach(manager, 'here', '10.100.0.102')
  const fetch = ['wget', '-q', '-T', '20', '-O', '-']
  for (const [host, container] of [
    [manager, 'here'],
    [worker, 'there'],
  ] as const) {
    await eventually('the task answers', () => inside(host, container, ...fetch, 'http://tasks.page/hosts'))
    await eventually('the service answers', () => inside(host, container, ...fetch, 'http://page/hosts'))
    for (const address of ['192.0.2.1', '192.0.2.2']) {
      await eventually(`${address} publishes it`, () =>
        host.sh(`busybox ${fetch.join(' ')} http://${address}:8080/hosts`),
      )
    }
  }
}

/** On the port that Docker's overlay networks have as well. */
async function startMesh({ manager, worker }: Both): Promise<void> {
  for (const [index, host] of [manager, worker].entries()) {
    const peer = `192.0.2.${2 - index}`
    const options = asOptions('ovs.bridge.tunnel=vxlan', 'ovs.bridge.vni=7', `ovs.bridge.peers=${peer}`)
    await createNetwork(host, 'mesh', '--subnet', '10.98.0.0/16', ...options)
    await startContainer(host, 'web', 'mesh', '--ip', `10.98.${index + 1}.10`)
  }
}

onHosts(scene, (hosts) => {
  it.each([
    ['before the swarm', [startMesh, startSwarm]],
    ['after the swarm', [startSwarm, startMesh]],
  ])('have a mesh that was made %s, and both work', async (_, steps) => {
    const pair = both(hosts())
    try {
      for (const step of steps) await step(pair)
      const cable = await capture(enterHost(pair.manager), 'eth1')
      try {
        await expectReach(pair.manager, 'web', '10.98.2.10')
        await expectSwarmWorks(pair)
      } finally {
        cable.stop()
      }
      const frames = cable.frames().join('\n')
      expect(frames).toMatch(/\.4789: VXLAN.* vni 7\b/)
      expect(frames).toMatch(/\.4789: VXLAN.* vni (?!7\b)\d+/)
      for (const host of hosts()) await untilNothingDiffers(host)
    } finally {
      await leaveSwarm(pair)
    }
    await expectReach(pair.manager, 'web', '10.98.2.10')
  })
})
