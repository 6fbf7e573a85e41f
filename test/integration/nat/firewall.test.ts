import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals'
import type { Firewall } from '../../../src/driver/firewall'
import { eachFamily, HOST4, HOST6, implementations, OUTSIDE4, OUTSIDE6, port } from './implementations'
import type { Lab } from './lab'
import { ask, makeLab, networkOf, pings, serve } from './lab'

const never = new AbortController().signal

// An attempt that nobody answers takes its second.
jest.setTimeout(30_000)

let lab: Lab

beforeAll(async () => {
  lab = await makeLab()
  await Promise.all([
    serve(lab.outside, 80),
    serve(lab.containers.c1, 80),
    serve(lab.containers.c2, 80),
    serve(lab.containers.c3, 80),
    serve(lab.host, 22),
  ])
}, 30_000)

afterAll(async () => {
  await lab.dispose()
})

/** Of the host: rules of both families, without counters and comments. */
async function saved(): Promise<string> {
  const texts = await Promise.all(
    ['iptables-nft-save', 'ip6tables-nft-save'].map(async (tool) => (await lab.host.exec(tool)).stdout),
  )
  return texts.join('').replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '')
}

const asOthers = async (...commands: readonly string[]): Promise<void> => {
  await lab.host.exec('sh', '-ec', eachFamily(...commands).join('\n'))
}

describe.each(implementations)('$name', ({ make, policy, faults }) => {
  let firewall: Firewall
  let before: string

  beforeEach(async () => {
    firewall = make(lab.host.run)
    // As Docker leaves a host: its chains, and everything forwarded dropped that nobody accepts.
    await asOthers(
      '-N DOCKER-USER',
      '-A DOCKER-USER -j RETURN',
      '-A FORWARD -j DOCKER-USER',
      `-P FORWARD ${policy}`,
    )
    await asOthers('-t nat -N DOCKER', '-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER')
    before = await saved()
  })

  afterEach(async () => {
    await firewall.reconcile([], never)
    await asOthers('-F', '-X', '-P FORWARD ACCEPT', '-t nat -F', '-t nat -X')
    await lab.host.exec('conntrack', '-F')
  })

  it('masquerades what leaves a nat network, and lets nobody in', async () => {
    await firewall.ensureNetwork(networkOf(1), never)
    const { c1 } = lab.containers
    expect(await ask(c1, 'tcp', OUTSIDE4, 80)).toBe(HOST4)
    expect(await ask(c1, 'udp', OUTSIDE6, 80)).toBe(HOST6)
    expect(await ask(lab.outside, 'tcp', '10.1.0.2', 80)).toBeUndefined()
    expect(await ask(lab.outside, 'tcp', 'fd01::2', 80)).toBeUndefined()
    expect(await pings(lab.outside, '10.1.0.2')).toBe(false)
  })

  it('leaves the addresses of a routed network, and lets pings and published ports in', async () => {
    const published = [port(), port({ containerAddress: 'fd01::2' })]
    await firewall.ensureNetwork(networkOf(1, { masquerade: false, published }), never)
    const { c1 } = lab.containers
    expect(await ask(c1, 'tcp', OUTSIDE4, 80)).toBe('10.1.0.2')
    expect(await ask(c1, 'tcp', OUTSIDE6, 80)).toBe('fd01::2')
    expect(await pings(lab.outside, '10.1.0.3')).toBe(true)
    expect(await pings(lab.outside, 'fd01::3')).toBe(true)
    expect(await ask(lab.outside, 'tcp', '10.1.0.2', 80)).toBe(OUTSIDE4)
    expect(await ask(lab.outside, 'tcp', 'fd01::2', 80)).toBe(OUTSIDE6)
    expect(await ask(lab.outside, 'tcp', '10.1.0.3', 80)).toBeUndefined()
  })

  it('keeps networks apart', async () => {
    await firewall.ensureNetwork(networkOf(1, { published: [port()] }), never)
    await firewall.ensureNetwork(networkOf(2), never)
    const { c1, c2 } = lab.containers
    expect(await pings(c1, '10.2.0.2')).toBe(false)
    expect(await ask(c2, 'tcp', '10.1.0.3', 80)).toBeUndefined()
    expect(await ask(c2, 'tcp', 'fd01::3', 80)).toBeUndefined()
    expect(await ask(c2, 'tcp', OUTSIDE4, 80)).toBe(HOST4)
  })

  it('keeps an internal network apart from everything but its host', async () => {
    await firewall.ensureNetwork(networkOf(1, { internal: true }), never)
    await firewall.ensureNetwork(networkOf(2), never)
    const { c1, c2 } = lab.containers
    expect(await pings(c1, OUTSIDE4)).toBe(false)
    expect(await pings(c1, OUTSIDE6)).toBe(false)
    expect(await pings(c2, '10.1.0.2')).toBe(false)
    expect(await pings(c1, '10.2.0.2')).toBe(false)
    expect(await pings(lab.outside, '10.1.0.2')).toBe(false)
    expect(await pings(c1, '10.1.0.1')).toBe(true)
  })

  describe('a published port', () => {
    const udp = port({ protocol: 'udp' })
    const everywhere = [
      port(),
      port({ containerAddress: 'fd01::2' }),
      udp,
      { ...udp, containerAddress: 'fd01::2' },
    ]

    it.each([
      ['another machine', 'outside', { tcp4: OUTSIDE4, tcp6: OUTSIDE6 }],
      // Masqueraded by its own network, as on its way to anywhere else.
      ['another network', 'c2', { tcp4: '10.1.0.1', tcp6: 'fd01::1' }],
      ['a neighbour', 'c3', { tcp4: '10.1.0.1', tcp6: 'fd01::1' }],
      ['the container itself', 'c1', { tcp4: '10.1.0.1', tcp6: 'fd01::1' }],
      ['the host itself', 'host', { tcp4: HOST4, tcp6: HOST6 }],
    ] as const)('is reached from %s', async (_from, where, seen) => {
      await firewall.ensureNetwork(networkOf(1), never)
      await firewall.ensureNetwork(networkOf(2), never)
      await firewall.publish(networkOf(1, { published: everywhere }), everywhere, never)
      const client = { ...lab.containers, outside: lab.outside, host: lab.host }[where]
      expect(await ask(client, 'tcp', HOST4, 8080)).toBe(seen.tcp4)
      expect(await ask(client, 'udp', HOST4, 8080)).toBe(seen.tcp4)
      expect(await ask(client, 'tcp', HOST6, 8080)).toBe(seen.tcp6)
      expect(await ask(client, 'udp', HOST6, 8080)).toBe(seen.tcp6)
      expect(
        await firewall.reconcile([networkOf(1, { published: everywhere }), networkOf(2)], never),
      ).toEqual([])
    })

    it('is reached at the address that was named, and nowhere else', async () => {
      const named = port({ hostAddress: '10.2.0.1' })
      await firewall.ensureNetwork(networkOf(1, { published: [named] }), never)
      expect(await ask(lab.outside, 'tcp', '10.2.0.1', 8080)).toBe(OUTSIDE4)
      expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBeUndefined()
    })

    it('is reached with its protocol only', async () => {
      await firewall.ensureNetwork(networkOf(1, { published: [port()] }), never)
      expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBe(OUTSIDE4)
      expect(await ask(lab.outside, 'udp', HOST4, 8080)).toBeUndefined()
    })

    it('may lead to the same port of the container as another, which stays when it goes', async () => {
      const two = [port(), port({ hostPort: 8081 })]
      await firewall.ensureNetwork(networkOf(1), never)
      await firewall.publish(networkOf(1, { published: two }), two, never)
      expect(await firewall.reconcile([networkOf(1, { published: two })], never)).toEqual([])
      await firewall.unpublish(networkOf(1, { published: [port()] }), [port({ hostPort: 8081 })], never)
      expect(await firewall.reconcile([networkOf(1, { published: [port()] })], never)).toEqual([])
      expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBe(OUTSIDE4)
    })

    it('is withdrawn, for flows of UDP that go on as well', async () => {
      const network = networkOf(1)
      await firewall.ensureNetwork(networkOf(1, { published: [port(), udp] }), never)
      expect(await ask(lab.outside, 'udp', HOST4, 8080)).toBe(OUTSIDE4)
      await firewall.unpublish(network, [port(), udp], never)
      expect((await lab.host.exec('conntrack', '-L', '-p', 'udp')).stdout).not.toContain('dport=8080')
      expect(await ask(lab.outside, 'udp', HOST4, 8080)).toBeUndefined()
      expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBeUndefined()
      await firewall.unpublish(network, [port()], never)
      expect(await firewall.reconcile([network], never)).toEqual([])
    })
  })

  it('forwards nothing among containers that shall not meet, but published ports', async () => {
    const apart = networkOf(1, { interContainer: false, published: [port()] })
    await firewall.ensureNetwork(apart, never)
    const { c3 } = lab.containers
    // As if the switch had kept the frame from its neighbour and the sender had asked the gateway to pass it on.
    await c3.exec('ip', 'route', 'add', '10.1.0.2/32', 'via', '10.1.0.1')
    try {
      await lab.host.exec('sh', '-c', 'echo 0 >/proc/sys/net/ipv4/conf/br1/send_redirects')
      expect(await pings(c3, '10.1.0.2')).toBe(false)
      expect(await ask(c3, 'tcp', HOST4, 8080)).toBe('10.1.0.1')
    } finally {
      await c3.exec('ip', 'route', 'del', '10.1.0.2/32')
    }
  })

  it("lets a user's rule in DOCKER-USER win", async () => {
    await firewall.ensureNetwork(networkOf(1, { published: [port()] }), never)
    await lab.host.exec('iptables-nft', '-I', 'DOCKER-USER', '-i', 'eth0', '-j', 'DROP')
    expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBeUndefined()
  })

  it('leaves the rules of others as they are, and no trace of its own', async () => {
    const networks = [networkOf(1, { published: [port()] }), networkOf(2)] as const
    for (const network of networks) await firewall.ensureNetwork(network, never)
    const others = (text: string): string =>
      text
        .split('\n')
        .filter((line) => !line.includes('DOVESNAP'))
        .join('\n')
    expect(others(await saved())).toBe(before)
    for (const network of networks) {
      await firewall.removeNetwork(network.id, never)
      await firewall.removeNetwork(network.id, never)
    }
    expect(await saved()).toBe(before)
  })

  it.each(faults)('comes back after %s', async (_what, commands) => {
    const published = [port(), port({ containerAddress: 'fd01::2' })]
    const networks = [networkOf(1, { published }), networkOf(2)]
    for (const network of networks) await firewall.ensureNetwork(network, never)
    expect(await firewall.reconcile(networks, never)).toEqual([])
    await lab.host.exec('sh', '-ec', commands.join('\n'))
    expect(await firewall.reconcile(networks, never)).not.toEqual([])
    expect(await firewall.reconcile(networks, never)).toEqual([])
    expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBe(OUTSIDE4)
    expect(await ask(lab.containers.c2, 'tcp', OUTSIDE6, 80)).toBe(HOST6)
    expect(await pings(lab.containers.c2, '10.1.0.3')).toBe(false)
  })

  it('forgets networks that are no more', async () => {
    await firewall.ensureNetwork(networkOf(1, { published: [port()] }), never)
    await firewall.ensureNetwork(networkOf(2), never)
    await firewall.reconcile([networkOf(2)], never)
    expect(await saved()).not.toContain('111111111111')
    expect((await lab.host.exec('nft', 'list', 'ruleset')).stdout).not.toContain('111111111111')
    expect(await ask(lab.containers.c2, 'tcp', OUTSIDE4, 80)).toBe(HOST4)
    expect(await ask(lab.outside, 'tcp', HOST4, 8080)).toBeUndefined()
  })
})
