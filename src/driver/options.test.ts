import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { DriverError } from '../errors'
import { parseEndpointOptions, parseNetworkOptions } from './options'

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
  ])('refuse %s=%s, naming key, value and what is allowed', (key, value) => {
    expect(() => parseNetworkOptions({ [key]: value })).toThrow(
      new RegExp(`^option ${key}=${value.replaceAll('.', '\\.')} is not valid: allowed is .+`),
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
    const key = fc.constantFrom(
      'ovs.bridge.mode',
      'ovs.bridge.name',
      'ovs.bridge.mtu',
      'ovs.bridge.vlan',
      'ovs.bridge.userspace',
      'ovs.bridge.gateway',
    )
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
