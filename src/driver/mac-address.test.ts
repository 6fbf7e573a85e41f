import { describe, expect, it } from '@jest/globals'
import { deriveMacAddress } from './mac-address'

describe('a derived MAC address', () => {
  it('spells an IPv4 address, whatever the endpoint id', () => {
    expect(deriveMacAddress({ ipv4Address: '172.28.0.200/16', endpointId: 'a' })).toBe('02:42:ac:1c:00:c8')
    expect(
      deriveMacAddress({ ipv4Address: '172.28.0.200/24', ipv6Address: 'fd00::2/64', endpointId: 'b' }),
    ).toBe('02:42:ac:1c:00:c8')
  })

  it('follows from an IPv6 address however that is written', () => {
    const first = deriveMacAddress({ ipv6Address: 'fd00::2/64', endpointId: 'a' })
    expect(deriveMacAddress({ ipv6Address: 'fd00:0:0:0::0002/64', endpointId: 'b' })).toBe(first)
    expect(deriveMacAddress({ ipv6Address: 'fd00::3/64', endpointId: 'a' })).not.toBe(first)
  })

  it('is unicast and locally administered, and differs by endpoint, where there is no address', () => {
    const a = deriveMacAddress({ endpointId: 'a' })
    expect(a).toMatch(/^02:42(:[0-9a-f]{2}){4}$/)
    expect(deriveMacAddress({ endpointId: 'b' })).not.toBe(a)
  })
})
