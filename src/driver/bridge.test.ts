import { describe, expect, it } from '@jest/globals'
import { bridgeSpec } from './bridge'
import type { NetworkRecord } from './records'
import type { ObservedBridge } from './switch'

const network = (more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: 'aaaaaaaaaaaaaaaa',
  bridge: 'br0',
  foreignBridge: false,
  options: {},
  internal: false,
  ipv4: [],
  ipv6: [],
  ...more,
})

describe('the bridge of several networks', () => {
  const named = (mtu: string, id: string): NetworkRecord =>
    network({ id, options: { 'ovs.bridge.mtu': mtu } })

  it('takes what one names for the others, and refuses a contradiction', () => {
    expect(bridgeSpec('br0', [network(), named('9000', 'b')], [], undefined, 'system')).toMatchObject({
      name: 'br0',
      datapath: 'system',
      mtu: 9000,
    })
    expect(() =>
      bridgeSpec('br0', [named('9000', 'a'), named('1500', 'b')], [], undefined, 'system'),
    ).toThrow(
      'bridge br0 carries network a with ovs.bridge.mtu 9000, which ovs.bridge.mtu 1500 contradicts: ' +
        'give both networks the same, or another ovs.bridge.name',
    )
  })

  const bridge = (more: Partial<ObservedBridge>): ObservedBridge => ({
    name: 'br0',
    owned: true,
    datapath: 'system',
    ...more,
  })

  it.each([
    ['keeps the datapath it has', 'netdev', 'system', 'netdev'],
    ['leaves a datapath that the host no longer has', 'system', 'netdev', 'netdev'],
  ] as const)('%s', (_, present, hostDefault, expected) => {
    expect(bridgeSpec('br0', [network()], [], bridge({ datapath: present }), hostDefault).datapath).toBe(
      expected,
    )
  })

  it('is what it is where it is not ours, and contradicting its datapath is refused', () => {
    const foreign = bridge({ owned: false, datapath: 'netdev', mtu: 1600 })
    expect(bridgeSpec('br0', [network()], [], foreign, 'system')).toMatchObject({
      name: 'br0',
      datapath: 'netdev',
      mtu: 1600,
    })
    const options = { 'ovs.bridge.userspace': 'false' }
    expect(() => bridgeSpec('br0', [network({ options })], [], foreign, 'system')).toThrow(
      /^bridge br0 was not made by this driver and has datapath_type=netdev/,
    )
  })
})
