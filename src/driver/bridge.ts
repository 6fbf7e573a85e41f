import { DriverError } from '../errors'
import { bridgeMacAddress } from './mac-address'
import { shortId } from './names'
import type { NetworkOptions } from './options'
import { parseNetworkOptions } from './options'
import type { EndpointRecord, NetworkRecord } from './records'
import type {
  BridgePortSpec,
  BridgeSettings,
  BridgeSpec,
  DatapathType,
  MirrorSpec,
  ObservedBridge,
} from './switch'
import { isMirrorOutput } from './endpoint-options'
import { isSecured } from './port-guards'
import { tunnelPorts } from './tunnel'
import { ETHERNET_MTU, mtuOf } from './mtu'
import { uplinkPorts } from './uplinks'

/** Settings of the bridge row, by their options' names. */
const BRIDGE_SETTINGS = [
  'controllers',
  'datapathId',
  'failMode',
  'protocols',
  'macAddress',
  'stp',
  'rstp',
  'mcastSnooping',
  'sflow',
  'netflow',
  'ipfix',
] as const

type SettingName = (typeof BRIDGE_SETTINGS)[number]

/** As users type them, for messages. */
const optionKey: Readonly<Record<SettingName | 'mtu' | 'userspace', string>> = {
  mtu: 'ovs.bridge.mtu',
  userspace: 'ovs.bridge.userspace',
  controllers: 'ovs.bridge.controller',
  datapathId: 'ovs.bridge.dpid',
  failMode: 'ovs.bridge.fail_mode',
  protocols: 'ovs.bridge.protocols',
  macAddress: 'ovs.bridge.hwaddr',
  stp: 'ovs.bridge.stp',
  rstp: 'ovs.bridge.rstp',
  mcastSnooping: 'ovs.bridge.mcast_snooping',
  sflow: 'ovs.bridge.sflow',
  netflow: 'ovs.bridge.netflow',
  ipfix: 'ovs.bridge.ipfix',
}

/**
 * What the bridge of `networks` shall be, given how it is now. Bridge-level options must agree among the networks of
 * one bridge; who names none takes what another named. An existing bridge keeps its datapath where the host still has
 * it: a change would cut every container off.
 *
 * @param networks all networks of this bridge; at least one.
 * @param endpoints those that say something of a bridge; of other networks, they are left out.
 * @throws DriverError `BRIDGE_OPTION_CONFLICT`, `FOREIGN_BRIDGE_CONFLICT` or `FOREIGN_BRIDGE_SETTING`.
 */
export function bridgeSpec(
  name: string,
  networks: readonly NetworkRecord[],
  endpoints: readonly EndpointRecord[],
  observed: ObservedBridge | undefined,
  hostDefault: DatapathType,
): BridgeSpec {
  const mtu = agreed(name, networks, 'mtu', mtuOf)
  const datapath = chooseDatapath(name, networks, observed, hostDefault)
  const macAddress = bridgeMacAddress(networks[0]?.id ?? name)
  return {
    name,
    datapath,
    mtu: mtu ?? (observed?.owned === false ? observed.mtu : undefined) ?? ETHERNET_MTU,
    macAddress,
    settings: settingsOf(name, networks, endpoints, observed),
    ports: portsOf(networks, mtu),
    mirrors: mirrorsOf(networks, endpoints),
  }
}

function chooseDatapath(
  bridge: string,
  networks: readonly NetworkRecord[],
  observed: ObservedBridge | undefined,
  hostDefault: DatapathType,
): DatapathType {
  const userspace = agreed(
    bridge,
    networks,
    'userspace',
    ({ options }) => parseNetworkOptions(options).userspace,
  )
  const asked = userspace === undefined ? undefined : userspace ? 'netdev' : 'system'
  if (observed?.owned === false) {
    if (asked !== undefined && asked !== observed.datapath) {
      throw DriverError.of('FOREIGN_BRIDGE_CONFLICT', [bridge, observed.datapath, String(userspace)])
    }
    return observed.datapath
  }
  const kept = observed?.datapath === 'system' && hostDefault === 'netdev' ? undefined : observed?.datapath
  return asked ?? kept ?? hostDefault
}

function settingsOf(
  bridge: string,
  networks: readonly NetworkRecord[],
  endpoints: readonly EndpointRecord[],
  observed: ObservedBridge | undefined,
): BridgeSettings {
  const parsed = new Map(networks.map(({ id, options }) => [id, parseNetworkOptions(options)]))
  const pairs = BRIDGE_SETTINGS.flatMap((setting) => {
    const value = agreed(bridge, networks, setting, ({ id }) => parsed.get(id)?.[setting])
    return value === undefined ? [] : [[setting, value] as const]
  })
  const [first] = pairs
  if (first !== undefined && observed?.owned === false) {
    throw DriverError.of('FOREIGN_BRIDGE_SETTING', [bridge, optionKey[first[0]]])
  }
  const settings = Object.fromEntries(pairs) as BridgeSettings
  // Left standalone, ovs-vswitchd forwards by itself what the controller, or a rule of ours, would not have allowed.
  const isSecure =
    settings.controllers !== undefined || networks.some((network) => isSecured(network, endpoints))
  return isSecure && observed?.owned !== false ? { failMode: 'secure', ...settings } : settings
}

function portsOf(networks: readonly NetworkRecord[], mtu: number | undefined): readonly BridgePortSpec[] {
  const ports = networks.flatMap((network) => [
    ...gatewayPorts(network, mtu ?? ETHERNET_MTU),
    ...uplinkPorts(network),
    ...tunnelPorts(network),
  ])
  // Networks of one bridge may name the same uplink.
  return ports.filter(({ name }, index) => ports.findIndex((port) => port.name === name) === index)
}

function gatewayPorts(network: NetworkRecord, mtu: number): readonly BridgePortSpec[] {
  const { id: networkId, gatewayLink: name, options } = network
  if (name === undefined) return []
  const { vlan } = parseNetworkOptions(options)
  return [
    {
      name,
      networkId,
      interfaces: [{ name, type: 'internal', options: {}, mtu }],
      ...(vlan === undefined ? {} : { vlan }),
      isolated: false,
      mayBeOthers: false,
    },
  ]
}

function mirrorsOf(
  networks: readonly NetworkRecord[],
  endpoints: readonly EndpointRecord[],
): readonly MirrorSpec[] {
  return networks.flatMap((network) => {
    const { mirror, vlan } = parseNetworkOptions(network.options)
    const outputs = [
      ...(mirror === undefined ? [] : [mirror]),
      ...endpoints
        .filter((endpoint) => endpoint.networkId === network.id && isMirrorOutput(endpoint))
        .map(({ hostLink }) => hostLink),
    ]
    return outputs.map((outputPort) => ({
      name: `dovesnap-${outputPort}`,
      outputPort,
      ...(vlan === undefined ? {} : { vlan }),
    }))
  })
}

/** The one value of a bridge-level option that the networks of a bridge name, if any names it. */
function agreed<T>(
  bridge: string,
  networks: readonly NetworkRecord[],
  option: keyof typeof optionKey & keyof NetworkOptions,
  valueOf: (network: NetworkRecord) => T | undefined,
): T | undefined {
  const [first, ...others] = networks
    .map((network) => ({ id: network.id, value: valueOf(network) }))
    .filter(({ value }) => value !== undefined)
  const other = others.find(({ value }) => JSON.stringify(value) !== JSON.stringify(first?.value))
  if (first !== undefined && other !== undefined) {
    throw DriverError.of('BRIDGE_OPTION_CONFLICT', [
      bridge,
      optionKey[option],
      readable(other.value),
      shortId(first.id),
      readable(first.value),
    ])
  }
  return first?.value
}

function readable(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
