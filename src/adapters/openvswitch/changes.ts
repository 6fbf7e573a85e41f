import { DriverError } from '../../errors'
import type { RecordChange } from '../../driver/records'
import type { BridgeSpec, GatewayPortSpec, PortSpec } from '../../driver/switch'
import type { Mutation, Operation, TableRow } from '../ovsdb'
import { namedUuid, op, uuid } from '../ovsdb'
import { ENDPOINT_KEY, MAC_KEY, NETWORK_KEY, OWNER, OWNER_KEY } from './schema'
import type { View } from './view'
import { datapathOf, isOwned, networkOf, numberOf } from './view'

const byUuid = (found: TableRow): readonly [['_uuid', '==', ReturnType<typeof uuid>]] => [
  ['_uuid', '==', uuid(found.uuid)],
]

const ownerMark = new Map([[OWNER_KEY, OWNER]])

/** `insert` leaves the value of a key that is there already, so the key goes first. */
export function recordOperations(view: View, change: RecordChange | undefined): readonly Operation[] {
  if (change === undefined || view.records().get(change.key) === change.value) return []
  const { key, value } = change
  const removal: Mutation = ['external_ids', 'delete', [key]]
  const insertion: readonly Mutation[] =
    value === undefined ? [] : [['external_ids', 'insert', new Map([[key, value]])]]
  return [op.mutate('Open_vSwitch', [], [removal, ...insertion])]
}

const tagOf = (vlan: number | undefined): readonly number[] => (vlan === undefined ? [] : [vlan])

/** @throws DriverError `NAME_TAKEN` where a port that is no bridge, or a gateway port that is not this one, has the name. */
export function bridgeOperations(view: View, bridge: BridgeSpec, unique: string): readonly Operation[] {
  const { name, gatewayPort } = bridge
  const existing = view.bridgeRow(name)
  const own =
    existing === undefined ? bridgeInsertion(view, bridge, unique) : bridgeUpdates(view, bridge, existing)
  if (gatewayPort === undefined || (existing === undefined && gatewayPort.name === name)) return own
  return [...own, ...gatewayOperations(view, bridge, gatewayPort, unique)]
}

function bridgeUpdates(view: View, bridge: BridgeSpec, existing: TableRow): readonly Operation[] {
  if (!isOwned(existing.row)) return []
  const local = view.interfaceRow(bridge.name)
  return [
    ...(datapathOf(existing.row) === bridge.datapath
      ? []
      : [op.update('Bridge', byUuid(existing), { datapath_type: bridge.datapath })]),
    ...(local === undefined || numberOf(local.row['mtu_request']) === bridge.mtu
      ? []
      : [op.update('Interface', byUuid(local), { mtu_request: [bridge.mtu] })]),
  ]
}

function gatewayOperations(
  view: View,
  bridge: BridgeSpec,
  { name, networkId, vlan }: GatewayPortSpec,
  unique: string,
): readonly Operation[] {
  const existing = view.portRow(name)
  if (existing !== undefined) {
    if (name !== bridge.name && networkOf(existing.row) !== networkId)
      throw DriverError.of('NAME_TAKEN', [name])
    const isTagged = numberOf(existing.row['tag']) === vlan
    return isTagged ? [] : [op.update('Port', byUuid(existing), { tag: tagOf(vlan) })]
  }
  const [interfaceId, portId] = [`gateway_interface${unique}`, `gateway_port${unique}`]
  return [
    op.assertAbsent('Port', [['name', '==', name]]),
    op.insert('Interface', { name, type: 'internal', mtu_request: [bridge.mtu] }, interfaceId),
    op.insert(
      'Port',
      {
        name,
        interfaces: [namedUuid(interfaceId)],
        tag: tagOf(vlan),
        external_ids: new Map([
          [OWNER_KEY, OWNER],
          [NETWORK_KEY, networkId],
        ]),
      },
      portId,
    ),
    op.mutate('Bridge', [['name', '==', bridge.name]], [['ports', 'insert', [namedUuid(portId)]]]),
  ]
}

/** A port that no bridge holds is dropped by the server, and its interface with it. */
export function gatewayRemoval(view: View, name: string, networkId: string): readonly Operation[] {
  const existing = view.portRow(name)
  const bridge = existing === undefined ? undefined : view.bridgeOf(existing.uuid)
  if (existing === undefined || bridge === undefined || networkOf(existing.row) !== networkId) return []
  return [op.mutate('Bridge', byUuid(bridge), [['ports', 'delete', [uuid(existing.uuid)]]])]
}

function bridgeInsertion(view: View, bridge: BridgeSpec, unique: string): readonly Operation[] {
  const { name, datapath, mtu, macAddress, gatewayPort } = bridge
  const localTag = gatewayPort?.name === name ? tagOf(gatewayPort.vlan) : []
  if (view.portRow(name) !== undefined) throw DriverError.of('NAME_TAKEN', [name])
  const [interfaceId, portId, bridgeId] = [`interface${unique}`, `port${unique}`, `bridge${unique}`]
  return [
    op.assertAbsent('Bridge', [['name', '==', name]]),
    op.insert('Interface', { name, type: 'internal', mtu_request: [mtu] }, interfaceId),
    op.insert('Port', { name, interfaces: [namedUuid(interfaceId)], tag: localTag }, portId),
    op.insert(
      'Bridge',
      {
        name,
        datapath_type: datapath,
        ports: [namedUuid(portId)],
        other_config: new Map([['hwaddr', macAddress]]),
        external_ids: ownerMark,
      },
      bridgeId,
    ),
    op.mutate('Open_vSwitch', [], [['bridges', 'insert', [namedUuid(bridgeId)]]]),
  ]
}

/**
 * A bridge that an operator's ports are on is handed over instead of removed: their rows would go with it. It loses the
 * owner mark and the ports that are ours.
 */
export function bridgeRemoval(view: View, name: string): readonly Operation[] {
  const existing = view.bridgeRow(name)
  if (existing === undefined || !isOwned(existing.row)) return []
  const ports = view.portsOf(existing.row)
  const ours = ports.filter(({ row }) => isOwned(row))
  if (ours.length === ports.length) {
    return [op.mutate('Open_vSwitch', [], [['bridges', 'delete', [uuid(existing.uuid)]]])]
  }
  return [
    op.mutate('Bridge', byUuid(existing), [
      ['external_ids', 'delete', [OWNER_KEY]],
      ['ports', 'delete', ours.map((port) => uuid(port.uuid))],
    ]),
  ]
}

/** @throws DriverError `NAME_TAKEN` where the port was made by or for somebody else. */
export function portOperations(view: View, port: PortSpec, unique: string): readonly Operation[] {
  const existing = view.portRow(port.name)
  if (existing === undefined) return portInsertion(view, port, unique)
  const current = view.port(port.name)
  if (current !== undefined && current.endpointId !== port.endpointId) {
    throw DriverError.of('NAME_TAKEN', [port.name])
  }
  return [
    ...(current?.vlan === port.vlan && current?.isolated === port.isolated
      ? []
      : [op.update('Port', byUuid(existing), { tag: tagOf(port.vlan), protected: port.isolated })]),
    ...(current === undefined || current.bridge === port.bridge
      ? []
      : [
          op.mutate('Bridge', [['name', '==', current.bridge]], [['ports', 'delete', [uuid(existing.uuid)]]]),
          op.assertExists('Bridge', [['name', '==', port.bridge]]),
          op.mutate('Bridge', [['name', '==', port.bridge]], [['ports', 'insert', [uuid(existing.uuid)]]]),
        ]),
  ]
}

function portInsertion(view: View, port: PortSpec, unique: string): readonly Operation[] {
  const { name, bridge, endpointId, macAddress, vlan, isolated } = port
  if (view.interfaceRow(name) !== undefined) throw DriverError.of('NAME_TAKEN', [name])
  const [interfaceId, portId] = [`interface${unique}`, `port${unique}`]
  const mac = [MAC_KEY, macAddress] as const
  return [
    op.assertExists('Bridge', [['name', '==', bridge]]),
    op.assertAbsent('Port', [['name', '==', name]]),
    op.insert('Interface', { name, external_ids: new Map([mac]) }, interfaceId),
    op.insert(
      'Port',
      {
        name,
        interfaces: [namedUuid(interfaceId)],
        external_ids: new Map([[OWNER_KEY, OWNER], [ENDPOINT_KEY, endpointId], mac]),
        tag: tagOf(vlan),
        protected: isolated,
      },
      portId,
    ),
    op.mutate('Bridge', [['name', '==', bridge]], [['ports', 'insert', [namedUuid(portId)]]]),
  ]
}

/** A port that no bridge holds is dropped by the server, and its interface with it. */
export function portRemoval(view: View, name: string, endpointId: string): readonly Operation[] {
  const existing = view.portRow(name)
  const current = view.port(name)
  if (existing === undefined || current?.endpointId !== endpointId) return []
  return [op.mutate('Bridge', [['name', '==', current.bridge]], [['ports', 'delete', [uuid(existing.uuid)]]])]
}
