import { describe, expect, it } from '@jest/globals'
import type { EndpointRecord, NetworkRecord, RecordChange, RecordTexts } from './records'
import { endpointChange, networkChange, Records, sysctlChange } from './records'

const network = (id: string, bridge: string): NetworkRecord => ({
  id,
  bridge,
  foreignBridge: false,
  options: {},
  internal: false,
  ipv4: [],
  ipv6: [],
})

const endpoint = (id: string, networkId: string): EndpointRecord => ({
  id,
  networkId,
  hostLink: `ovs-veth0-${id}`,
  containerLink: `ethc${id}`,
  macAddress: '02:00:00:00:00:01',
  options: {},
  joined: true,
  published: [],
  unpublishable: [],
})

const textsOf = (...changes: readonly RecordChange[]): RecordTexts =>
  new Map([['system-id', 'of another'], ...changes.map(({ key, value = '' }) => [key, value] as const)])

describe('records', () => {
  const all = [
    networkChange(network('n1', 'br1')),
    networkChange(network('n2', 'br1')),
    networkChange(network('n3', 'br2')),
    endpointChange(endpoint('e1', 'n1')),
    endpointChange(endpoint('e2', 'n1')),
    endpointChange(endpoint('e3', 'n3')),
    sysctlChange('ipv4/ip_forward', '0'),
  ]
  const ids = (found: readonly { readonly id: string }[]): readonly string[] => found.map(({ id }) => id)

  it('are found one by one, and by what they belong to', () => {
    const records = new Records(() => textsOf(...all))
    expect(records.network('n2')).toEqual(network('n2', 'br1'))
    expect(records.endpoint('e3')).toEqual(endpoint('e3', 'n3'))
    expect(records.endpoint('n1')).toBeUndefined()
    expect(ids(records.networksOn('br1'))).toEqual(['n1', 'n2'])
    expect(ids(records.networksOn('br3'))).toEqual([])
    expect(ids(records.endpointsOf('n1'))).toEqual(['e1', 'e2'])
    expect(ids(records.endpointsOf('n2'))).toEqual([])
    expect(records.changedSysctls()).toEqual(new Map([['ipv4/ip_forward', '0']]))
  })

  it('are those of the moment of each call', () => {
    let texts = textsOf(...all)
    const records = new Records(() => texts)
    expect(ids(records.endpoints())).toEqual(['e1', 'e2', 'e3'])
    texts = textsOf(networkChange(network('n1', 'br2')), endpointChange(endpoint('e1', 'n9')))
    expect(ids(records.networks())).toEqual(['n1'])
    expect(ids(records.networksOn('br1'))).toEqual([])
    expect(ids(records.networksOn('br2'))).toEqual(['n1'])
    expect(ids(records.endpointsOf('n1'))).toEqual([])
    expect(records.endpoint('e1')?.networkId).toBe('n9')
    expect(records.endpoint('e2')).toBeUndefined()
  })
})
