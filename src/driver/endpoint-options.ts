import type { PortOptions } from './options'
import { parseEndpointOptions, parseNetworkOptions } from './options'
import type { EndpointRecord, NetworkRecord } from './records'

const BRIDGE_OPTIONS = ['ovs.port.mirror', 'ovs.port.security']

const VLAN_OPTIONS = ['vlan', 'trunks', 'vlanMode'] as const

/** What a container's port shall be: its network's options, and before them its own. */
export function portOptionsOf(
  endpoint: Pick<EndpointRecord, 'options'>,
  network: NetworkRecord,
): PortOptions {
  const own = parseEndpointOptions(endpoint.options)
  const { vlan, trunks, vlanMode, ingressRate, ingressBurst, egressRate, security } = parseNetworkOptions(
    network.options,
  )
  const vlans = { vlan, trunks, vlanMode }
  const rates = { ingressRate, ingressBurst }
  // VLANs are one thing, and so are a rate and its burst: whoever names a part of it names the whole.
  const isOwnVlan = VLAN_OPTIONS.some((option) => own[option] !== undefined)
  const inherited = {
    ...(isOwnVlan ? {} : vlans),
    ...(own.ingressRate === undefined ? rates : {}),
    egressRate,
    security,
    ...own,
  }
  return Object.fromEntries(
    Object.entries(inherited).filter(([name, value]) => value !== undefined && name !== 'mirror'),
  )
}

/** Whether the endpoint's own options say something of its network's bridge, and not of its port alone. */
export function speaksOfBridge({ options }: Pick<EndpointRecord, 'options'>): boolean {
  return BRIDGE_OPTIONS.some((key) => options[key] !== undefined)
}

/** Few or none, whereas what the bridge shall be is asked for every network in each round. */
export function speakingOfBridge(endpoints: readonly EndpointRecord[]): readonly EndpointRecord[] {
  return endpoints.filter(speaksOfBridge)
}

/** Whether the container's port gets a copy of its network's traffic. Cheap: asked for every endpoint in each round. */
export function isMirrorOutput({ options }: EndpointRecord): boolean {
  return options['ovs.port.mirror'] !== undefined && parseEndpointOptions(options).mirror === true
}
