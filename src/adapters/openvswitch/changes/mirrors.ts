import type { MirrorSpec } from '../../../driver/switch'
import { DriverError } from '../../../errors'
import type { Operation, Row, TableRow } from '../../ovsdb'
import { namedUuid, op, uuid } from '../../ovsdb'
import { OWNER, OWNER_KEY } from '../schema'
import type { View } from '../view'
import { listOf, textOf } from '../view'
import { byUuid, columnUpdates } from './columns'

/** @throws DriverError `MIRROR_PORT_MISSING` where the bridge has no port of that name. */
export function mirrorOperations(
  view: View,
  bridge: TableRow,
  mirrors: readonly MirrorSpec[],
  unique: string,
): readonly Operation[] {
  const existing = view.ownedMirrorsOf(bridge.row)
  const surplus = existing.filter(({ row }) => mirrors.every(({ name }) => name !== row['name']))
  return [
    ...removals(bridge, surplus),
    ...mirrors.flatMap((mirror, index): readonly Operation[] => {
      const columns = mirrorColumns(view, bridge, mirror)
      const found = existing.find(({ row }) => row['name'] === mirror.name)
      if (found !== undefined) return columnUpdates('Mirror', found, columns)
      const id = `mirror${unique}_${index}`
      const mark = new Map([[OWNER_KEY, OWNER]])
      return [
        op.insert('Mirror', { name: mirror.name, ...columns, external_ids: mark }, id),
        op.mutate('Bridge', byUuid(bridge), [['mirrors', 'insert', [namedUuid(id)]]]),
      ]
    }),
  ]
}

/** Of our mirrors to a port. */
export function mirrorRemovals(view: View, port: TableRow): readonly Operation[] {
  const bridge = view.bridgeOf(port.uuid)
  if (bridge === undefined) return []
  const leadsTo = ({ row }: TableRow): boolean =>
    listOf(row['output_port']).some((id) => String(id) === port.uuid)
  return removals(bridge, view.ownedMirrorsOf(bridge.row).filter(leadsTo))
}

/** A mirror that no bridge holds is dropped by the server. */
function removals(bridge: TableRow, mirrors: readonly TableRow[]): readonly Operation[] {
  if (mirrors.length === 0) return []
  const ids = mirrors.map((mirror) => uuid(mirror.uuid))
  return [op.mutate('Bridge', byUuid(bridge), [['mirrors', 'delete', ids]])]
}

function mirrorColumns(view: View, bridge: TableRow, { outputPort, vlan }: MirrorSpec): Row {
  const port = view.portRow(outputPort)
  if (port === undefined || view.bridgeOf(port.uuid)?.uuid !== bridge.uuid) {
    throw DriverError.of('MIRROR_PORT_MISSING', [textOf(bridge.row['name']), outputPort])
  }
  return {
    select_all: true,
    select_vlan: vlan === undefined ? [] : [vlan],
    output_port: [uuid(port.uuid)],
  }
}
