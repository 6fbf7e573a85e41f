import { DriverError } from '../../errors'
import type { RecordChange } from '../../driver/records'
import type { BridgeSpec, PortSpec } from '../../driver/switch'
import type { Mutation, Operation, TableRow } from '../ovsdb'
import { namedUuid, op, uuid } from '../ovsdb'
import { ENDPOINT_KEY, MAC_KEY, OWNER, OWNER_KEY } from './schema'
import type { View } from './view'
import { datapathOf, isOwned, numberOf } from './view'

const byUuid = (found: TableRow): readonly [['_uuid', '==', ReturnType<typeof uuid>]] => [
  ['_uuid', '==', uuid(found.uuid)],
]

const ownerMark = new Map([[OWNER_KEY, OWNER]])

/** `insert` leaves the value of a key that is there already, so the key goes first. */
export function recordOperations(view: View, { key, value }: RecordChange): readonly Operation[] {
  if (view.records().get(key) === value) return []
  const removal: Mutation = ['external_ids', 'delete', [key]]
  const insertion: readonly Mutation[] =
    value === undefined ? [] : [['external_ids', 'insert', new Map([[key, value]])]]
  return [op.mutate('Open_vSwitch', [], [removal, ...insertion])]
}

/** @throws DriverError `NAME_TAKEN` where a port that is no bridge has the name. */
export function bridgeOperations(view: View, bridge: BridgeSpec, unique: string): readonly Operation[] {
  const existing = view.bridgeRow(bridge.name)
  if (existing === undefined) return bridgeInsertion(view, bridge, unique)
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

function bridgeInsertion(view: View, bridge: BridgeSpec, unique: string): readonly Operation[] {
  const { name, datapath, mtu } = bridge
  if (view.portRow(name) !== undefined) throw DriverError.of('NAME_TAKEN', [name])
  const [interfaceId, portId, bridgeId] = [`interface${unique}`, `port${unique}`, `bridge${unique}`]
  return [
    op.assertAbsent('Bridge', [['name', '==', name]]),
    op.insert('Interface', { name, type: 'internal', mtu_request: [mtu] }, interfaceId),
    op.insert('Port', { name, interfaces: [namedUuid(interfaceId)] }, portId),
    op.insert(
      'Bridge',
      { name, datapath_type: datapath, ports: [namedUuid(portId)], external_ids: ownerMark },
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
    ...(current?.vlan === port.vlan
      ? []
      : [op.update('Port', byUuid(existing), { tag: port.vlan === undefined ? [] : [port.vlan] })]),
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
  const { name, bridge, endpointId, macAddress, vlan } = port
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
        ...(vlan === undefined ? {} : { tag: [vlan] }),
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
