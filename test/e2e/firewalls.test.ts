import { expect, it } from '@jest/globals'
import {
  ALL_ANSWER,
  answers,
  fromReadme,
  timesLogged,
  untilAllAnswer,
  withNetworks,
  withOutside,
} from './answers'
import { eventually } from './host/command'
import { pluginName, type TestHost } from './host/host'
import { createNetwork, expectReach, ping, startContainer, untilNothingDiffers } from './lab'
import { HOST4 } from './outside'
import { BLUE, NAT, ROUTED } from './routed-scene'
import { bundle, furnishWithPlugin, onHost, useOnce } from './scene'

const STARTED_BY_HAND = `
  mkdir -p /run/dbus
  dbus-daemon --system --fork
  firewalld --nofork >/var/log/firewalld.log 2>&1 &
  until firewall-cmd --state >/dev/null 2>&1; do sleep 0.1; done`

const firewalld = {
  title: 'engine %s with firewalld',
  name: 'firewalld',
  prepare: STARTED_BY_HAND,
  seconds: 90,
  furnish: furnishWithPlugin,
} as const

onHost(firewalld, (host) => {
  const outside = withOutside(host)

  it('keeps containers from the outside, which the log says once, until its zone docker has their links', async () => {
    const sentence = 'firewalld lets nothing out that comes from the containers behind ovsbr-'
    const commands = await fromReadme(/^ +firewall-cmd /)
    await withNetworks(host(), outside(), async () => {
      expect(await answers(host(), outside())).toEqual({ ...ALL_ANSWER, out: [undefined, undefined] })
      await eventually('the log says so', async () =>
        (await timesLogged(host(), sentence)) > 0 ? true : undefined,
      )
      expect(await host().differences()).toContain(sentence)
      await host().sh(commands)
      try {
        await untilAllAnswer(host(), outside())
        await untilNothingDiffers(host())
        expect(await timesLogged(host(), sentence)).toBe(1)
        await createNetwork(host(), 'blue', ...ROUTED, ...BLUE)
        await startContainer(host(), 'own', 'blue', '--ip', '10.72.0.20')
        await host().sh(`ip -n outside route add 10.72.0.0/24 via ${HOST4}
          ip netns exec outside busybox ping -c 2 -W 3 10.72.0.20
          ip -n outside route del 10.72.0.0/24`)
      } finally {
        await host().sh(commands.replaceAll('add-interface', 'remove-interface'))
      }
    })
  })
})

const onIptables = {
  ...firewalld,
  title: 'engine %s with firewalld on iptables',
  name: 'firewalld-iptables',
  prepare: `sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/' /etc/firewalld/firewalld.conf
    ${STARTED_BY_HAND}`,
} as const

onHost(onIptables, (host) => {
  const outside = withOutside(host)

  it('is no obstacle, nor is its reload', async () => {
    await withNetworks(host(), outside(), async () => {
      expect(await answers(host(), outside())).toEqual(ALL_ANSWER)
      await host().sh('firewall-cmd --reload')
      await untilAllAnswer(host(), outside())
      await untilNothingDiffers(host())
    })
  })
})

const ufw = {
  title: 'engine %s with ufw',
  name: 'ufw',
  // Only its reload fills its chains for forwarded IPv6.
  prepare: 'ufw --force enable; ufw reload',
  seconds: 90,
  furnish: furnishWithPlugin,
} as const

onHost(ufw, (host) => {
  const outside = withOutside(host)

  it('is no obstacle, nor is its reload', async () => {
    expect((await host().sh('ufw status verbose')).stdout).toContain('deny (incoming)')
    await withNetworks(host(), outside(), async () => {
      expect(await answers(host(), outside())).toEqual(ALL_ANSWER)
      await host().sh('ufw reload')
      await untilAllAnswer(host(), outside())
      await untilNothingDiffers(host())
    })
  })
})

const legacy = {
  title: 'engine %s on the legacy iptables',
  name: 'legacy',
  prepare: `update-alternatives --set iptables /usr/sbin/iptables-legacy
    update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy`,
  seconds: 60,
  async furnish(host: TestHost) {
    await host.installPlugin(bundle)
    await host.waitForSwitch(pluginName)
    await createNetwork(host, 'first')
    await host.docker('run', '--rm', '--net', 'first', 'busybox:test', 'true')
    await host.docker('network', 'rm', 'first')
  },
} as const

onHost(legacy, (host) => {
  it('has flat networks, and is told why there is no nat network, of which nothing is left', async () => {
    await createNetwork(host(), 'flat', '--subnet', '10.70.0.0/24')
    await startContainer(host(), 'one', 'flat')
    await startContainer(host(), 'two', 'flat')
    await expectReach(host(), 'one', 'two')
    const before = await host().snapshot()
    const refused = await host().tryDocker('network', 'create', '-d', pluginName, ...NAT, 'red')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr.trim().split('\n')).toHaveLength(1)
    expect(refused.stderr).toContain("Docker's rules are in the legacy iptables")
    await host().expectUnchanged(before)
    await untilNothingDiffers(host())
    expect(await timesLogged(host(), 'could not be put right')).toBe(0)
  })
})

const withoutIptables = {
  title: 'engine %s without iptables',
  name: 'nftables',
  prepare: 'rm /usr/sbin/iptables* /usr/sbin/ip6tables* /usr/sbin/xtables*',
  engineOptions: ['--iptables=false', '--ip6tables=false'],
  seconds: 90,
  async furnish(host: TestHost) {
    await host.installPlugin(bundle)
    await host.waitForSwitch(pluginName)
    await useOnce(host, '--ipv6', '--subnet', 'fd70::/64')
  },
} as const

onHost(withoutIptables, (host) => {
  const outside = withOutside(host)

  it('has everything but the names, which the engine’s own networks do not have either', async () => {
    await withNetworks(host(), outside(), async () => {
      expect(await answers(host(), outside())).toEqual(ALL_ANSWER)
      await host().docker('network', 'create', 'own')
      await startContainer(host(), 'first', 'own')
      await startContainer(host(), 'second', 'own')
      expect((await ping(host(), 'client', 'web')).stderr).toContain('bad address')
      expect((await ping(host(), 'first', 'second')).stderr).toContain('bad address')
      await untilNothingDiffers(host())
    })
  })

  it('is told of a table that drops what it does not know, until that accepts the networks’ links', async () => {
    const sentence = "the host's packet filter lets nothing out that comes from the containers behind ovsbr-"
    await host().sh('nft -f -', {
      stdin:
        'table inet filter { chain forward { type filter hook forward priority filter; policy drop; }; }',
    })
    try {
      await withNetworks(host(), outside(), async () => {
        const nobody = [undefined, undefined]
        expect(await answers(host(), outside())).toEqual({ ...ALL_ANSWER, out: nobody, published: nobody })
        await eventually('the log says so', async () =>
          (await timesLogged(host(), sentence)) > 0 ? true : undefined,
        )
        await host().sh(await fromReadme(/^ +nft insert rule inet filter forward /))
        await untilAllAnswer(host(), outside())
        await untilNothingDiffers(host())
        expect(await timesLogged(host(), sentence)).toBe(1)
      })
    } finally {
      await host().sh('nft delete table inet filter')
    }
  })
})
