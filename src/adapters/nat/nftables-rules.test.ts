import { describe, expect, it } from '@jest/globals'
import type { FilteredNetwork, PublishedPort } from '../../driver/firewall'
import {
  acceptElement,
  baseCommands,
  elementCommands,
  networkCommands,
  networkElements,
  redirectElement,
} from './nftables-rules'

const network = (more: Partial<FilteredNetwork> = {}): FilteredNetwork => ({
  id: 'a'.repeat(64),
  link: 'br1',
  subnets: [
    { subnet: '10.1.0.0/24', gateway: '10.1.0.1/24' },
    { subnet: 'fd01::/64', gateway: 'fd01::1/64' },
  ],
  masquerade: true,
  internal: false,
  interContainer: true,
  published: [],
  ...more,
})

const port = (more: Partial<PublishedPort> = {}): PublishedPort => ({
  protocol: 'tcp',
  hostPort: 8080,
  containerAddress: '10.1.0.2',
  containerPort: 80,
  ...more,
})

it('the table without networks', () => {
  expect(baseCommands().join('\n')).toMatchSnapshot()
})

describe('the commands of a network', () => {
  it.each([
    ['nat', {}],
    ['routed', { masquerade: false }],
    ['internal', { internal: true }],
    ['containers apart', { interContainer: false }],
  ] as const)('%s', (_, more) => {
    expect(networkCommands(network(more)).join('\n')).toMatchSnapshot()
  })
})

it('the elements of networks and ports', () => {
  const ports = [
    port(),
    port({ hostAddress: '192.0.2.1', protocol: 'udp' }),
    port({ containerAddress: 'fd01::2' }),
    port({ containerAddress: 'fd01::2', hostAddress: '2001:db8::1', protocol: 'sctp' }),
  ]
  const elements = ports.flatMap((each) => [redirectElement(each), acceptElement('a'.repeat(64), each)])
  expect(elementCommands('add', [...networkElements(network()), ...elements]).join('\n')).toMatchSnapshot()
})
