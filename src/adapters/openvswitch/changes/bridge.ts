import type { BridgeSpec } from '../../../driver/switch'
import { DriverError } from '../../../errors'
import type { Operation, TableRow } from '../../ovsdb'
import { namedUuid, op, uuid } from '../../ovsdb'
import { OWNER, OWNER_KEY } from '../schema'
import type { View } from '../view'
import { datapathOf, isOwned } from '../view'
import { bridgePortOperations, portRemovals, vlanColumns } from './bridge-ports'
import { byUuid, columnUpdates } from './columns'
import { otherConfig, settingsOfNew, settingUpdates } from './settings'

/** @throws DriverError `NAME_TAKEN` or `PORT_ELSEWHERE` where a port's name is somebody else's. */
export function bridgeOperations(view: View, bridge: BridgeSpec, unique: string): readonly Operation[] {
  const existing = view.bridgeRow(bridge.name)
  return [
    ...(existing === undefined
      ? bridgeInsertion(view, bridge, unique)
      : bridgeUpdates(view, bridge, existing, unique)),
    ...bridgePortOperations(view, bridge, existing, unique),
  ]
}

function bridgeUpdates(
  view: View,
  bridge: BridgeSpec,
  existing: TableRow,
  unique: string,
): readonly Operation[] {
  if (!isOwned(existing.row)) return []
  const local = view.interfaceRow(bridge.name)
  return [
    ...(datapathOf(existing.row) === bridge.datapath
      ? []
      : [op.update('Bridge', byUuid(existing), { datapath_type: bridge.datapath })]),
    ...(local === undefined ? [] : columnUpdates('Interface', local, { mtu_request: [bridge.mtu] })),
    ...settingUpdates(view, existing, bridge.settings, unique),
  ]
}

function bridgeInsertion(view: View, bridge: BridgeSpec, unique: string): readonly Operation[] {
  const { name, datapath, mtu, macAddress, settings } = bridge
  if (view.portRow(name) !== undefined) throw DriverError.of('NAME_TAKEN', [name])
  const gateway = bridge.ports.find((port) => port.name === name)
  const { columns, insertions } = settingsOfNew(settings, unique)
  const [interfaceId, portId, bridgeId] = [`interface${unique}`, `port${unique}`, `bridge${unique}`]
  return [
    op.assertAbsent('Bridge', [['name', '==', name]]),
    op.insert('Interface', { name, type: 'internal', mtu_request: [mtu] }, interfaceId),
    op.insert('Port', { name, interfaces: [namedUuid(interfaceId)], ...vlanColumns(gateway ?? {}) }, portId),
    ...insertions,
    op.insert(
      'Bridge',
      {
        name,
        datapath_type: datapath,
        ports: [namedUuid(portId)],
        other_config: new Map([['hwaddr', macAddress], ...otherConfig(settings)]),
        external_ids: new Map([[OWNER_KEY, OWNER]]),
        ...columns,
      },
      bridgeId,
    ),
    op.mutate('Open_vSwitch', [], [['bridges', 'insert', [namedUuid(bridgeId)]]]),
  ]
}

/**
 * A bridge that an operator's ports are on is handed over instead of removed: their rows would go with it. It loses the
 * owner mark and the ports that are ours, as another's bridge loses what we put on it.
 */
export function bridgeRemoval(view: View, name: string): readonly Operation[] {
  const existing = view.bridgeRow(name)
  if (existing === undefined) return []
  const ports = view.portsOf(existing.row)
  const ours = ports.filter(({ row }) => isOwned(row))
  if (isOwned(existing.row) && ours.length === ports.length) {
    return [op.mutate('Open_vSwitch', [], [['bridges', 'delete', [uuid(existing.uuid)]]])]
  }
  const mirrors = view.ownedMirrorsOf(existing.row)
  return [
    ...(isOwned(existing.row)
      ? [op.mutate('Bridge', byUuid(existing), [['external_ids', 'delete', [OWNER_KEY]]])]
      : []),
    ...portRemovals(existing, ours),
    ...(mirrors.length === 0
      ? []
      : [
          op.mutate('Bridge', byUuid(existing), [
            ['mirrors', 'delete', mirrors.map((row) => uuid(row.uuid))],
          ]),
        ]),
  ]
}
