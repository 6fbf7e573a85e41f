import { describe, expect, it } from '@jest/globals'
import { pluginName, type TestHost } from '../host/host'
import { createNetwork } from '../lab'

interface BadInput {
  readonly what: string
  readonly options: readonly string[]
  readonly says: string | RegExp
}

const badInputs: readonly BadInput[] = [
  { what: 'an unknown option', options: ['-o', 'ovs.bridge.frob=1'], says: 'unknown option ovs.bridge.frob' },
  { what: 'a misspelt option', options: ['-o', 'ovs.brige.vlan=1'], says: 'did you mean ovs.bridge.vlan?' },
  {
    what: 'a VLAN above 4094',
    options: ['-o', 'ovs.bridge.vlan=4095'],
    says: 'option ovs.bridge.vlan=4095 is not valid',
  },
  {
    what: 'a VLAN that is no number',
    options: ['-o', 'ovs.bridge.vlan=red'],
    says: 'option ovs.bridge.vlan=red is not valid',
  },
  {
    what: 'an MTU that no link has',
    options: ['-o', 'ovs.bridge.mtu=10'],
    says: 'option ovs.bridge.mtu=10 is not valid',
  },
  {
    what: 'an MTU too small for IPv6',
    options: ['-o', 'ovs.bridge.mtu=1000', '--ipv6', '--subnet', 'fd00:91::/64'],
    says: 'too small for a network with IPv6',
  },
  {
    what: 'a bridge name of 16 bytes',
    options: ['-o', 'ovs.bridge.name=sixteen-bytes-br'],
    says: 'option ovs.bridge.name=sixteen-bytes-br is not valid',
  },
  {
    what: 'two gateways in one family',
    options: [
      '--subnet',
      '10.91.0.0/24',
      '--gateway',
      '10.91.0.1',
      '--subnet',
      '10.92.0.0/24',
      '--gateway',
      '10.92.0.1',
    ],
    // In the engine's order, which is that of a Go map.
    says: /2 IPv4 gateways \(10\.9[12]\.0\.1, 10\.9[12]\.0\.1\)/,
  },
  {
    what: 'the name of a link that is no bridge',
    options: ['-o', 'ovs.bridge.name=docker0'],
    says: 'cannot create bridge docker0',
  },
]

/** What a user gets wrong is refused with one sentence, and nothing was created. */
export function badInput(host: () => TestHost): void {
  describe('docker network create refuses', () => {
    const refuses = async (options: readonly string[], says: string | RegExp): Promise<void> => {
      const before = await host().snapshot()
      const result = await host().tryDocker('network', 'create', '-d', pluginName, ...options, 'bad')
      expect(result.code).not.toBe(0)
      expect(result.stderr.replaceAll('\n', ' ')).toMatch(says)
      expect(result.stderr.trim().split('\n')).toHaveLength(1)
      expect((await host().docker('network', 'ls', '-q', '-f', 'name=^bad$')).stdout).toBe('')
      await host().expectUnchanged(before)
    }

    it.each(badInputs)('$what', async ({ options, says }) => {
      await refuses(options, says)
    })

    it('options that contradict those of another network on the bridge', async () => {
      await createNetwork(host(), 'first', '-o', 'ovs.bridge.name=ovsbr-shared', '-o', 'ovs.bridge.mtu=1400')
      const options = ['-o', 'ovs.bridge.name=ovsbr-shared', '-o', 'ovs.bridge.mtu=9000']
      await refuses(options, 'bridge ovsbr-shared carries network')
    })
  })
}
