import { describe, expect, it } from '@jest/globals'
import { eventually } from '../host/command'
import { pluginName, type TestHost } from '../host/host'
import {
  attachment,
  clear,
  createNetwork,
  expectReach,
  linkFile,
  startContainer,
  startPair,
  untilNothingDiffers,
  untilReached,
  whilePinging,
} from '../lab'

const daemonConfiguration = '/etc/docker/daemon.json'

/** What operators do with engine, plugin and host. */
export function upkeep(host: () => TestHost, bundle: string): void {
  it('docker system prune leaves networks in use and takes the others without a trace', async () => {
    await startPair(host())
    const before = await host().snapshot()
    await createNetwork(host(), 'unused', '-o', 'ovs.bridge.mode=nat')
    await host().docker('system', 'prune', '-f')
    await host().expectUnchanged(before)
    await expectReach(host(), 'client', 'web')
  })

  it('a compose file brings up networks, addresses and published ports, and takes them down without a trace', async () => {
    const before = await host().snapshot()
    await host().sh('mkdir /tmp/composed; cat >/tmp/composed/docker-compose.yml', { stdin: composition })
    const compose = (command: string): Promise<unknown> =>
      host().sh(`cd /tmp/composed; docker-compose ${command} 2>&1`)
    await compose('up -d')
    await expectReach(host(), 'client', 'web')
    expect((await attachment(host(), 'web', 'composed_front')).IPAddress).toBe('10.93.0.10')
    const page = await eventually('the page', async () =>
      host().sh('busybox wget -q -O - http://127.0.0.1:8088/etc/page'),
    )
    expect(page.stdout).toBe('composed\n')
    await compose('down')
    await host().sh('rm -r /tmp/composed')
    await host().expectUnchanged(before)
  }, 120_000)

  describe('with live-restore', () => {
    it('no packet is lost while the engine is away, killed or not, and containers end without a trace', async () => {
      const before = await host().snapshot()
      await host().sh(`mkdir -p /etc/docker; echo '{"live-restore": true}' >${daemonConfiguration}`)
      try {
        await host().stopEngine()
        await host().startEngine()
        await startPair(host())
        for (const signal of ['TERM', 'KILL'] as const) {
          await whilePinging(host(), async () => {
            await host().stopEngine(signal)
            await host().startEngine()
          })
        }
        await startContainer(host(), 'late', 'mynet')
        await expectReach(host(), 'late', 'web')
        await clear(host())
      } finally {
        await host().sh(`rm ${daemonConfiguration}`)
        await host().stopEngine()
        await host().startEngine()
      }
      await host().expectUnchanged(before)
    }, 180_000)
  })

  describe('after a reboot of the host', () => {
    it('networks, gateways, published ports and containers with a restart policy are there again', async () => {
      await startPair(host(), '-o', 'ovs.bridge.mode=nat')
      await host().docker('run', '-d', '--name', 'gone', '--net', 'mynet', 'busybox:test', 'sleep', '3600')
      const serve = ['busybox:test', 'httpd', '-f', '-h', '/etc']
      const publish = ['-d', '--restart', 'always', '--net', 'mynet', '-p', '8081:80', '--name', 'page']
      await host().docker('run', ...publish, ...serve)
      await host().reboot()
      await host().startEngine()
      await untilReached(host())
      const { MacAddress } = await attachment(host(), 'web', 'mynet')
      expect(await linkFile(host(), 'web', 'address')).toBe(MacAddress)
      await eventually('the published port answers', async () =>
        (await host().trySh('busybox wget -q -O - http://127.0.0.1:8081/hosts')).code === 0
          ? true
          : undefined,
      )
      await untilNothingDiffers(host())
      // One port for each container that runs, none for the one that is gone.
      const ports = (await host().ovs('ovs-vsctl', '--no-headings', '--columns=name', 'list', 'Port')).stdout
      expect(ports.match(/ovs-veth0-/g)).toHaveLength(3)
    }, 120_000)
  })

  describe('a plugin that is removed and created again', () => {
    it('has forgotten the networks of its own switch, says so, and leaves no trace of them', async () => {
      await startPair(host())
      await host().docker('plugin', 'rm', '-f', pluginName)
      await host().installPlugin(bundle)
      await host().waitForSwitch(pluginName)
      const run = await host().tryDocker('run', '--rm', '--net', 'mynet', 'busybox:test', 'true')
      expect(run.stderr).toContain('is not known to this switch: remove it with docker network rm')
      await clear(host())
      await createNetwork(host(), 'mynet')
    }, 120_000)
  })
}

const composition = `
version: '3.8'
networks:
  front:
    driver: ${pluginName}
    driver_opts: { ovs.bridge.mode: nat }
    ipam: { config: [{ subnet: 10.93.0.0/24 }] }
  back:
    driver: ${pluginName}
    driver_opts: { ovs.bridge.vlan: '7', ovs.bridge.gateway: none }
services:
  web:
    image: busybox:test
    container_name: web
    command: sh -c 'echo composed >/etc/page; exec httpd -f -h /'
    networks: { front: { ipv4_address: 10.93.0.10 }, back: {} }
    ports: ['8088:80']
  client:
    image: busybox:test
    container_name: client
    command: sleep 3600
    networks: [back]
`
