import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { DriverError } from '../../errors'
import { NETWORK_SPECS } from './specs'
import { parseEndpointOptions, parseNetworkOptions } from '.'

describe('network options', () => {
  it('default to a flat network that leaves the rest to the host', () => {
    expect(parseNetworkOptions({})).toEqual({ mode: 'flat', gateway: 'auto', icc: true })
  })

  it('become typed and frozen', () => {
    const options = parseNetworkOptions({
      'ovs.bridge.mode': 'flat',
      'ovs.bridge.name': 'br-lan.7',
      'ovs.bridge.mtu': '9000',
      'ovs.bridge.vlan': '4094',
      'ovs.bridge.userspace': 'true',
      'ovs.bridge.gateway': 'none',
      'ovs.bridge.icc': 'false',
    })
    expect(options).toEqual({
      mode: 'flat',
      bridgeName: 'br-lan.7',
      mtu: 9000,
      vlan: 4094,
      userspace: true,
      gateway: 'none',
      icc: false,
    })
    expect(Object.isFrozen(options)).toBe(true)
  })

  it.each([
    ['ovs.bridge.trunks', '30-32,10, 31', { trunks: [10, 30, 31, 32] }],
    ['ovs.bridge.bind_interface', 'eth2', { bindInterface: { name: 'eth2', links: ['eth2'] } }],
    ['ovs.bridge.bind_interface', 'eth2/5', { bindInterface: { name: 'eth2', links: ['eth2'], ofport: 5 } }],
    [
      'ovs.bridge.add_ports',
      'eth2/5/100,eth3//200',
      {
        addPorts: [
          { name: 'eth2', links: ['eth2'], ofport: 5, vlan: 100 },
          { name: 'eth3', links: ['eth3'], vlan: 200 },
        ],
      },
    ],
    [
      'ovs.bridge.add_ports',
      'bond:eth2+eth3',
      { addPorts: [{ name: 'bond-eth2', links: ['eth2', 'eth3'], bondMode: 'active-backup' }] },
    ],
    ['ovs.bridge.controller', 'tcp:192.0.2.9', { controllers: ['tcp:192.0.2.9:6653'] }],
    ['ovs.bridge.controller', 'ssl:[2001:DB8::9]:6654', { controllers: ['ssl:[2001:db8::9]:6654'] }],
    ['ovs.bridge.dpid', '0xABC', { datapathId: '0000000000000abc' }],
    ['ovs.bridge.hwaddr', '02:AA:00:00:00:01', { macAddress: '02:aa:00:00:00:01' }],
    [
      'ovs.bridge.sflow',
      '192.0.2.9:6343,[::1]:6343/10',
      { sflow: { targets: ['192.0.2.9:6343', '[::1]:6343'], rate: 10 } },
    ],
    ['ovs.port.egress_rate', '4000000000', { egressRate: 4_000_000_000 }],
  ])('read %s=%s', (key, value, expected) => {
    expect(parseNetworkOptions({ [key]: value })).toMatchObject(expected)
  })

  const tunnel = { 'ovs.bridge.tunnel': 'vxlan', 'ovs.bridge.vni': '7', 'ovs.bridge.peers': '192.0.2.2' }

  it.each([
    [
      { 'ovs.bridge.trunks': '10', 'ovs.bridge.vlan': '5' },
      /^option ovs\.bridge\.trunks .* needs ovs\.bridge\.vlan_mode/,
    ],
    [
      { 'ovs.bridge.trunks': '10', 'ovs.bridge.vlan': '5', 'ovs.bridge.vlan_mode': 'access' },
      /^option ovs\.bridge\.trunks cannot stand with ovs\.bridge\.vlan_mode=access/,
    ],
    [
      { 'ovs.bridge.vlan': '5', 'ovs.bridge.vlan_mode': 'trunk' },
      /^option ovs\.bridge\.vlan cannot stand with/,
    ],
    [{ 'ovs.bridge.vlan_mode': 'native-tagged' }, /needs ovs\.bridge\.vlan$/],
    [
      { 'ovs.bridge.vni': '7' },
      /^option ovs\.bridge\.vni makes no sense alone: it needs ovs\.bridge\.tunnel/,
    ],
    [{ 'ovs.bridge.local_ip': '192.0.2.1' }, /needs ovs\.bridge\.tunnel/],
    [{ 'ovs.bridge.tunnel': 'vxlan', 'ovs.bridge.vni': '7' }, /needs ovs\.bridge\.peers/],
    [{ 'ovs.bridge.tunnel': 'vxlan', 'ovs.bridge.peers': '192.0.2.2' }, /needs ovs\.bridge\.vni/],
    [{ ...tunnel, 'ovs.bridge.local_ip': '192.0.2.2' }, /a host is no peer of itself/],
    [{ ...tunnel, 'ovs.bridge.local_ip': '2001:db8::1' }, /addresses of one family/],
    [{ ...tunnel, 'ovs.bridge.tunnel': 'gre', 'ovs.bridge.tunnel_port': '5' }, /GRE has no ports/],
    [
      { ...tunnel, 'ovs.bridge.tunnel': 'gre', 'ovs.bridge.peers': '2001:db8::2' },
      /^option ovs\.bridge\.peers cannot stand with ovs\.bridge\.tunnel=gre: it goes over IPv4/,
    ],
    [{ 'ovs.bridge.move_ip': 'true' }, /needs ovs\.bridge\.bind_interface/],
    [{ 'ovs.bridge.move_ip': 'true', 'ovs.bridge.add_ports': 'eth2,eth3' }, /it moves one NIC's addresses/],
    [
      { 'ovs.bridge.move_ip': 'true', 'ovs.bridge.bind_interface': 'eth2', 'ovs.bridge.mode': 'nat' },
      /cannot stand with ovs\.bridge\.mode=nat/,
    ],
    [{ 'ovs.bridge.bind_interface': 'eth2', 'ovs.bridge.add_ports': 'bond:eth2+eth3' }, /each NIC once/],
    [{ 'ovs.bridge.stp': 'true', 'ovs.bridge.rstp': 'true' }, /a bridge speaks one of them/],
    [{ 'ovs.port.ingress_burst': '5' }, /needs ovs\.port\.ingress_rate/],
  ])('refuse %j', (options, message) => {
    expect(() => parseNetworkOptions(options)).toThrow(message)
  })

  it("take the ancestor's and Docker's names for the same thing", () => {
    expect(parseNetworkOptions({ 'net.gopher.ovs.bridge.name': 'br0' })).toMatchObject({ bridgeName: 'br0' })
    expect(parseNetworkOptions({ 'com.docker.network.driver.mtu': '1400' })).toMatchObject({ mtu: 1400 })
  })

  it('refuse two names of one thing that say different things, and accept two that agree', () => {
    const both = (mtu: string): Record<string, string> => ({
      'ovs.bridge.mtu': '1400',
      'com.docker.network.driver.mtu': mtu,
    })
    expect(() => parseNetworkOptions(both('1500'))).toThrow(
      'options ovs.bridge.mtu=1400 and com.docker.network.driver.mtu=1500 name the same thing: leave one out',
    )
    expect(parseNetworkOptions(both('1400'))).toMatchObject({ mtu: 1400 })
  })

  it.each([
    ['ovs.bridge.mode', 'bridge'],
    ['ovs.bridge.name', 'sixteen-bytes-xx'],
    ['ovs.bridge.name', 'a b'],
    ['ovs.bridge.name', '-br0'],
    ['ovs.bridge.name', '../x'],
    ['ovs.bridge.name', 'ovs-system'],
    ['ovs.bridge.name', ''],
    ['ovs.bridge.mtu', '67'],
    ['ovs.bridge.mtu', '65536'],
    ['ovs.bridge.mtu', '1500.5'],
    ['ovs.bridge.mtu', '0x5dc'],
    ['ovs.bridge.mtu', ' 1500'],
    ['ovs.bridge.vlan', '0'],
    ['ovs.bridge.vlan', '4095'],
    ['ovs.bridge.vlan', '-1'],
    ['ovs.bridge.userspace', 'yes'],
    ['ovs.bridge.gateway', '10.0.0.1'],
    ['ovs.bridge.trunks', '10,'],
    ['ovs.bridge.trunks', '20-10'],
    ['ovs.bridge.trunks', '4095'],
    ['ovs.bridge.vlan_mode', 'hybrid'],
    ['ovs.bridge.bind_interface', 'eth2/1/2/3'],
    ['ovs.bridge.bind_interface', 'eth2/'],
    ['ovs.bridge.bind_interface', 'eth2/65280'],
    ['ovs.bridge.bind_interface', 'bond:eth2'],
    ['ovs.bridge.bind_interface', 'bond:eth2+eth2'],
    ['ovs.bridge.bind_interface', 'bond:eth2+eth3/fast'],
    ['ovs.bridge.add_ports', 'eth2,eth2'],
    ['ovs.bridge.add_ports', 'eth2,eth2/7'],
    ['ovs.bridge.add_ports', ''],
    ['ovs.bridge.peers', '192.0.2.1,192.0.2.1'],
    ['ovs.bridge.peers', '192.0.2'],
    ['ovs.bridge.peers', 'example.com'],
    ['ovs.bridge.peers', 'fe80::1%eth0'],
    ['ovs.bridge.peers', '2001:db8::1,2001:DB8::1'],
    ['ovs.bridge.vni', '16777216'],
    ['ovs.bridge.tunnel_port', '0'],
    ['ovs.bridge.local_ip', '10.0.0.1/24'],
    ['ovs.bridge.controller', 'udp:192.0.2.1:6653'],
    ['ovs.bridge.controller', 'tcp:[192.0.2.1]:6653'],
    ['ovs.bridge.controller', 'tcp:2001:db8::1:6653'],
    ['ovs.bridge.dpid', '0x0'],
    ['ovs.bridge.dpid', '12345678901234567'],
    ['ovs.bridge.protocols', 'OpenFlow16'],
    ['ovs.bridge.hwaddr', '01:00:5e:00:00:01'],
    ['ovs.bridge.hwaddr', '00:00:00:00:00:00'],
    ['ovs.bridge.sflow', '192.0.2.9'],
    ['ovs.bridge.ipfix', '192.0.2.9:4739/0'],
    ['ovs.bridge.mirror', 'a b'],
    ['ovs.port.ingress_rate', '0'],
    ['ovs.port.egress_rate', '10mbit'],
    ['ovs.port.security', 'on'],
  ])('refuse %s=%s, naming key, value and what is allowed', (key, value) => {
    expect(() => parseNetworkOptions({ [key]: value })).toThrow(
      new RegExp(`^option ${key}=.* is not valid: allowed is .+`),
    )
  })

  it('name the key that was meant where an unknown one is near it', () => {
    expect(() => parseNetworkOptions({ 'ovs.bridge.vlam': '7' })).toThrow(
      'unknown option ovs.bridge.vlam: did you mean ovs.bridge.vlan?',
    )
  })

  it('list the known keys where an unknown one is near none', () => {
    expect(() => parseNetworkOptions({ 'ovs.turbo': '1' })).toThrow(
      /^unknown option ovs\.turbo: known are ovs\.bridge\.mode, ovs\.bridge\.name, /,
    )
  })

  it('leave keys alone that are not ours', () => {
    expect(() => parseNetworkOptions({ 'com.example.label': 'x', parent: 'eth0' })).not.toThrow()
  })

  it('are parsed or refused with a DriverError, whatever the text', () => {
    const key = fc.constantFrom(...Object.values(NETWORK_SPECS).map((spec) => spec.key))
    fc.assert(
      fc.property(key, fc.string({ unit: 'binary' }), (name, value) => {
        try {
          const { bridgeName, mtu, vlan } = parseNetworkOptions({ [name]: value })
          expect(bridgeName ?? 'br0').toMatch(/^[A-Za-z0-9][\w.-]{0,14}$/)
          expect(mtu ?? 1500).toBeGreaterThanOrEqual(68)
          expect(vlan ?? 1).toBeLessThanOrEqual(4094)
        } catch (error) {
          expect(error).toBeInstanceOf(DriverError)
        }
      }),
    )
  })
})

describe('endpoint options', () => {
  it('know the VLAN and refuse what only a network can have', () => {
    expect(parseEndpointOptions({ 'ovs.bridge.vlan': '7' })).toEqual({ vlan: 7 })
    expect(() => parseEndpointOptions({ 'ovs.bridge.mtu': '1400' })).toThrow(
      /^unknown option ovs\.bridge\.mtu/,
    )
  })
})
