import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { request } from 'node:http'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../host/command'
import { pluginName, type TestHost } from '../host/host'
import { createNetwork, expectReach, reaches, startContainer } from '../lab'
import { pushPlugin, registryImage, startRegistry, stopRegistry } from '../registry'

const otherPlugin = 'dovesnap/other:latest'

/** The plugin itself: its settings, its distribution, its death between two requests. */
export function plugin(host: () => TestHost, bundle: string): void {
  describe('a plugin that has no switch', () => {
    beforeAll(async () => {
      await host().installPlugin(bundle, { name: otherPlugin, settings: ['OVSDB=tcp:127.0.0.1:1'] })
    }, 60_000)
    afterAll(async () => {
      await host().docker('plugin', 'rm', '-f', otherPlugin)
    })

    const refusal = async (options = ''): Promise<string> => {
      // The engine's own limit is 30 s: a driver that let it pass is not told from one that hangs.
      const create = `timeout 10 docker network create -d ${otherPlugin} ${options} bad`
      const result = await host().trySh(create)
      expect(result.code).toBe(1)
      expect(result.stderr.trim().split('\n')).toHaveLength(1)
      expect((await host().docker('network', 'ls', '-q', '-f', 'name=^bad$')).stdout).toBe('')
      return result.stderr
    }

    it('is enabled all the same, and network create says within 10 s what to do', async () => {
      const message = await refusal()
      expect(message).toContain('Open vSwitch does not answer at tcp:127.0.0.1:1')
      expect(message).toContain('docker plugin set OVSDB=')
    }, 30_000)

    describe('for want of /dev/net/tun', () => {
      const rows = async (): Promise<string> => {
        const bridges = await host().ovsOf(otherPlugin, 'ovs-vsctl', 'list-br')
        const records = await host().ovsOf(
          otherPlugin,
          'ovs-vsctl',
          'get',
          'Open_vSwitch',
          '.',
          'external_ids',
        )
        return bridges.stdout + records.stdout
      }

      beforeAll(async () => {
        await host().docker('plugin', 'disable', '-f', otherPlugin)
        await host().docker('plugin', 'set', otherPlugin, 'OVSDB=embedded', 'tun.path=/dev/null')
        await host().docker('plugin', 'enable', otherPlugin)
        await host().waitForSwitch(otherPlugin)
      }, 60_000)

      it('has network create on the userspace datapath say so, and creates nothing', async () => {
        const before = await rows()
        expect(await refusal('-o ovs.bridge.userspace=true')).toContain('which needs /dev/net/tun')
        expect(await rows()).toBe(before)
      }, 30_000)
    })
  })

  describe('a registry', () => {
    it('takes plugin push, gives plugin install --alias ovs what network create -d ovs:latest uses, and plugin upgrade the next release, which keeps networks and containers', async () => {
      await startRegistry(host())
      await pushPlugin(host(), bundle)
      // A host has one switch.
      await host().docker('plugin', 'disable', pluginName)
      const install = ['plugin', 'install', '--grant-all-permissions', '--alias', 'ovs', registryImage]
      await host().docker(...install)
      await host().docker('network', 'create', '-d', 'ovs:latest', 'aliased')
      await startContainer(host(), 'web', 'aliased')
      await startContainer(host(), 'client', 'aliased')
      await expectReach(host(), 'client', 'web')

      await pushPlugin(host(), bundle, 'the next one')
      await host().docker('plugin', 'disable', '-f', 'ovs:latest')
      await host().docker('plugin', 'upgrade', '--grant-all-permissions', 'ovs:latest', registryImage)
      await host().docker('plugin', 'enable', 'ovs:latest')
      const rootfs = `/var/lib/docker/plugins/${await host().pluginId('ovs:latest')}/rootfs`
      expect((await host().sh(`cat ${rootfs}/usr/share/doc/release`)).stdout).toBe('the next one\n')
      await eventually('client reaches web', async () =>
        (await reaches(host(), 'client', 'web')) ? true : undefined,
      )
      await startContainer(host(), 'late', 'aliased')
      await expectReach(host(), 'late', 'web')

      await host().docker('rm', '-f', 'web', 'client', 'late')
      await host().docker('network', 'rm', 'aliased')
      await host().docker('plugin', 'rm', '-f', 'ovs:latest')
      await host().docker('plugin', 'enable', pluginName)
      await host().waitForSwitch(pluginName)
      await stopRegistry(host())
    }, 180_000)
  })

  describe('the driver killed between CreateEndpoint and Join', () => {
    it('leaves nothing of the endpoint', async () => {
      const id = await createNetwork(host(), 'mynet', '--subnet', '10.91.0.0/24')
      const before = await host().snapshot()
      const folder = await mkdtemp(join(tmpdir(), 'ovs-'))
      try {
        // A unix socket's path has at most 107 bytes.
        await symlink(
          `/proc/${host().pid}/root/run/docker/plugins/${await host().pluginId()}`,
          join(folder, 'p'),
        )
        const answer = await post(join(folder, 'p', 'ovs.sock'), '/NetworkDriver.CreateEndpoint', {
          NetworkID: id,
          EndpointID: 'e'.repeat(64),
          Interface: { Address: '10.91.0.50/24', AddressIPv6: '', MacAddress: '' },
          Options: {},
        })
        expect(JSON.parse(answer)).toMatchObject({ Interface: { MacAddress: '02:42:0a:5b:00:32' } })
        await expect(host().expectUnchanged(before, 0)).rejects.toThrow('is not as it was')
        await host().sh("kill -KILL $(pgrep -f '[d]ovesnap/main.cjs')")
        await host().expectUnchanged(before, 15_000)
      } finally {
        await rm(folder, { recursive: true })
      }
    })
  })

  describe('disable, enable', () => {
    it('keeps the networks of the embedded switch, and a container started afterwards reaches one from before', async () => {
      await createNetwork(host(), 'mynet')
      await startContainer(host(), 'web', 'mynet')
      await host().docker('plugin', 'disable', '-f', pluginName)
      await host().docker('plugin', 'enable', pluginName)
      await startContainer(host(), 'client', 'mynet')
      await eventually('client reaches web', async () =>
        (await reaches(host(), 'client', 'web')) ? true : undefined,
      )
    }, 60_000)
  })
}

/** Posts as the engine does: no content type; gives the body of the answer. */
function post(socketPath: string, path: string, body: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, method: 'POST' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => {
        resolve(text)
      })
    })
    call.on('error', reject)
    call.end(JSON.stringify(body))
  })
}
