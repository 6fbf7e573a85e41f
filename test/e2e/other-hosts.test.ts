import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from '../fixtures/traffic'
import {
  ALL_ANSWER,
  answers,
  IPV4_ANSWERS,
  timesLogged,
  untilAllAnswer,
  withNetworks,
  withOutside,
} from './answers'
import { eventually } from './host/command'
import { pluginName, type TestHost } from './host/host'
import { createNetwork, expectReach, startContainer, untilNothingDiffers } from './lab'
import { enterContainer, HOST4, OUTSIDE4 } from './outside'
import { BLUE, NAT } from './routed-scene'
import { bundle, furnishWithPlugin, onHost } from './scene'

const setting = (path: string, value: string): string => `echo ${value} >/proc/sys/net/${path}\n`

const withoutIPv6 = {
  title: 'engine %s on a host that has IPv6 turned off',
  name: 'without-ipv6',
  prepare: setting('ipv6/conf/all/disable_ipv6', '1') + setting('ipv6/conf/default/disable_ipv6', '1'),
  seconds: 60,
  furnish: furnishWithPlugin,
} as const

onHost(withoutIPv6, (host) => {
  const outside = withOutside(host, false)

  it('IPv4 is as everywhere', async () => {
    const addresses = ['--subnet', '10.71.0.0/24']
    await withNetworks(
      host(),
      outside(),
      async () => {
        expect(await answers(host(), outside())).toEqual(IPV4_ANSWERS)
        await untilNothingDiffers(host())
      },
      addresses,
    )
  })

  it.each(['nat', 'routed', 'flat'])('a network with IPv6 has it among its containers: %s', async (mode) => {
    await createNetwork(host(), 'red', '-o', `ovs.bridge.mode=${mode}`, '--ipv6', '--subnet', 'fd71::/64')
    await startContainer(host(), 'one', 'red', '--ip6', 'fd71::10')
    await startContainer(host(), 'two', 'red')
    await expectReach(host(), 'two', 'fd71::10')
    if (mode !== 'flat') await expectReach(host(), 'two', 'fd71::1')
    await untilNothingDiffers(host())
  })
})

const forwardingOff = {
  title: 'engine %s on a host that forwards nothing',
  name: 'without-forwarding',
  prepare: setting('ipv4/ip_forward', '0') + setting('ipv6/conf/all/forwarding', '0'),
  engineOptions: ['--ip-forward=false'],
  seconds: 60,
  furnish: furnishWithPlugin,
} as const

onHost(forwardingOff, (host) => {
  const outside = withOutside(host)
  const forwarding = async (): Promise<string> =>
    (await host().sh('cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding')).stdout

  it('a nat network turns forwarding on, and off again when it goes', async () => {
    expect(await forwarding()).toBe('0\n0\n')
    await withNetworks(host(), outside(), async () => {
      expect(await answers(host(), outside())).toEqual(ALL_ANSWER)
      expect(await forwarding()).toBe('1\n1\n')
      await untilNothingDiffers(host())
    })
    await host().sh('docker rm -f web client; docker network rm red')
    expect(await forwarding()).toBe('0\n0\n')
  })
})

const strictSources = {
  title: 'engine %s on a host that takes packets only from the link that it would answer by',
  name: 'rp-filter',
  prepare: setting('ipv4/conf/all/rp_filter', '1') + setting('ipv4/conf/default/rp_filter', '1'),
  seconds: 60,
  furnish: furnishWithPlugin,
} as const

onHost(strictSources, (host) => {
  const outside = withOutside(host)

  it('all is as everywhere, for a container of two networks as well', async () => {
    await withNetworks(host(), outside(), async () => {
      expect(await answers(host(), outside())).toEqual(ALL_ANSWER)
      await createNetwork(host(), 'blue', ...NAT, ...BLUE)
      await startContainer(host(), 'other', 'blue')
      await startContainer(host(), 'both', 'blue')
      await host().docker('network', 'connect', 'red', 'both')
      await expectReach(host(), 'other', 'both')
      await expectReach(host(), 'client', 'both')
      expect(await ask(await enterContainer(host(), 'both'), 'tcp', OUTSIDE4, 80)).toBe(HOST4)
      await untilNothingDiffers(host())
    })
  })
})

/** Without udev, which networkd waits for where it could run: where /sys can be written. */
const START_NETWORKD = `
  unshare --mount sh -c 'mount -o remount,bind,ro /sys; exec /usr/lib/systemd/systemd-networkd' \\
    >>/var/log/networkd.log 2>&1 &
  until networkctl >/dev/null 2>&1; do sleep 0.1; done`

const networkd = {
  title: 'engine %s beside systemd-networkd',
  name: 'networkd',
  prepare: `
    mkdir -p /run/dbus /etc/systemd/network
    dbus-daemon --system --fork
    systemd-machine-id-setup
    install -d -o systemd-network -g systemd-network /run/systemd/netif
    printf '%s\\n' '[Match]' 'Name=lo eth* docker* br-* veth*' '[Link]' 'Unmanaged=yes' \\
      >/etc/systemd/network/10-others.network
    ${START_NETWORKD}`,
  seconds: 90,
  furnish: furnishWithPlugin,
} as const

onHost(networkd, (host) => {
  const outside = withOutside(host)
  const folder = '/etc/systemd/network'

  const addresses = async (): Promise<string> => (await host().sh('ip -4 -o address show')).stdout
  const matchAll = (setting: string): Promise<unknown> =>
    host().sh(`printf '%s\\n' '[Match]' 'Name=*' '[Network]' '${setting}' >${folder}/90-all.network
      networkctl reload`)

  describe('with a file that matches every link', () => {
    beforeEach(async () => {
      await matchAll('Address=203.0.113.7/24')
    })
    afterEach(async () => {
      await host().sh(`rm -f ${folder}/90-all.network ${folder}/05-dovesnap.network; networkctl reload`)
    })

    it('containers get the gateway back that it takes away', async () => {
      await withNetworks(host(), outside(), async () => {
        await untilAllAnswer(host(), outside())
        const before = await timesLogged(host(), 'gateway put right')
        await host().sh('networkctl reconfigure $(ls /sys/class/net | grep ^ovsbr-)')
        await eventually('the gateway is given back', async () =>
          (await timesLogged(host(), 'gateway put right')) > before ? true : undefined,
        )
        await untilAllAnswer(host(), outside())
        await untilNothingDiffers(host())
      })
    })

    it('it keeps away from the links of the driver with the file that README shows', async () => {
      await host().sh(`cat >${folder}/05-dovesnap.network; networkctl reload`, { stdin: await unmanaged() })
      await withNetworks(host(), outside(), async () => {
        expect(await answers(host(), outside())).toEqual(ALL_ANSWER)
        await host().sh('networkctl reconfigure $(ls /sys/class/net | grep ^ovs) || true')
        const setups = (await host().sh('networkctl --no-legend --no-pager')).stdout
        expect(setups.match(/^.* ovs.* unmanaged *$/gm)?.length).toBeGreaterThan(6)
        expect(setups).not.toMatch(/^.* ovs.* (configured|configuring|failed|pending)/m)
        expect(await addresses()).not.toContain('203.0.113.7')
        expect(await answers(host(), outside())).toEqual(ALL_ANSWER)
      })
    })
  })
})

/** README's file for networkd. */
async function unmanaged(): Promise<string> {
  const readme = await readFile(join(process.cwd(), 'README.md'), 'utf8')
  const file = /^ {6}\[Match\]\n(?: {6}.*\n|\n)+/m.exec(readme)?.[0]
  if (file === undefined) throw new Error('README has no file for networkd')
  return file.replaceAll(/^ +/gm, '')
}

const inContainer = {
  title: 'engine %s with another engine in a container',
  name: 'nested',
  seconds: 180,
  async furnish(host: TestHost) {
    // The host's own files without what the tests of other files need.
    await host.sh(
      'tar --one-file-system -C / --exclude=./usr/share --exclude=./usr/lib/python3 -c . | docker import - host:test',
    )
    // The engine keeps the firewall tables that its first container needed.
    await host.docker('run', '--rm', 'host:test', 'true')
  },
} as const

/** As the engine's own image for it does: a cgroup that has processes delegates no controllers. */
const START_NESTED = `
  mkdir /sys/fs/cgroup/init
  cat /sys/fs/cgroup/cgroup.procs | while read pid; do echo $pid >/sys/fs/cgroup/init/cgroup.procs || true; done
  sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
  mount -t tmpfs tmpfs /run
  exec dockerd --exec-opt native.cgroupdriver=cgroupfs --bip 172.30.0.1/24`

onHost(inContainer, (host) => {
  it('the inner one has flat and nat networks, whose ports the outer one reaches', async () => {
    const folder = (await host().sh('mktemp -d /var/tmp/XXXXXX')).stdout.trim()
    await cp(bundle, join(`/proc/${host().pid}/root`, folder), { recursive: true, verbatimSymlinks: true })
    const volumes = ['-v', '/var/lib/docker', '-v', `${folder}:/bundle`]
    const start = ['host:test', 'sh', '-c', START_NESTED]
    await host().docker('run', '-d', '--privileged', '--name', 'inner', ...volumes, ...start)
    const inner = async (...args: readonly string[]): Promise<string> =>
      (await host().docker('exec', 'inner', 'docker', ...args)).stdout.trim()
    try {
      await eventually('the inner engine answers', () => inner('version'), 60_000)
      await host().sh('docker save busybox:test | docker exec -i inner docker load')
      await inner('plugin', 'create', pluginName, '/bundle')
      await inner('plugin', 'enable', pluginName)
      await inner('network', 'create', '-d', pluginName, 'flat')
      await inner('run', '-d', '--net', 'flat', '--name', 'web', 'busybox:test', 'sleep', '600')
      await inner('run', '--rm', '--net', 'flat', 'busybox:test', 'ping', '-c', '2', '-W', '3', 'web')
      await inner('network', 'create', '-d', pluginName, ...NAT, 'red')
      const serve = ['busybox:test', 'httpd', '-f', '-h', '/etc']
      await inner('run', '-d', '--net', 'red', '-p', '8080:80', '--hostname', 'page', ...serve)
      const address = (
        await host().docker('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', 'inner')
      ).stdout.trim()
      const page = await eventually('the page', () =>
        host().sh(`busybox wget -q -O - http://${address}:8080/hostname`),
      )
      expect(page.stdout).toBe('page\n')
    } finally {
      await host().sh(`docker rm -f -v inner >/dev/null; rm -rf ${folder}`)
    }
  })
})
