import type { BridgeSettings, CollectorSpec } from '../../../driver/switch'
import type { Operation, Row, TableRow } from '../../ovsdb'
import { namedUuid, op } from '../../ovsdb'
import type { View } from '../view'
import { listOf } from '../view'
import { byUuid, columnUpdates, holds, keyUpdates } from './columns'

/** The columns of the Bridge row that users set; see ovs-vswitchd.conf.db(5). */
function settingColumns(settings: BridgeSettings): Row {
  const { failMode, protocols, stp, rstp, mcastSnooping } = settings
  return {
    ...(failMode === undefined ? {} : { fail_mode: [failMode] }),
    ...(protocols === undefined ? {} : { protocols }),
    ...(stp === undefined ? {} : { stp_enable: stp }),
    ...(rstp === undefined ? {} : { rstp_enable: rstp }),
    ...(mcastSnooping === undefined ? {} : { mcast_snooping_enable: mcastSnooping }),
  }
}

/** The keys of the Bridge row's `other_config` that users set. */
export function otherConfig({ datapathId, macAddress }: BridgeSettings): ReadonlyMap<string, string> {
  return new Map([
    ...(datapathId === undefined ? [] : [['datapath-id', datapathId] as const]),
    ...(macAddress === undefined ? [] : [['hwaddr', macAddress] as const]),
  ])
}

/** Rows of other tables that a column of the Bridge row refers to. */
interface Referenced {
  readonly column: string
  readonly table: string
  readonly rows: readonly Row[]
}

function referenced({ controllers, sflow, netflow, ipfix }: BridgeSettings): readonly Referenced[] {
  const collected = (
    column: string,
    table: string,
    spec: CollectorSpec | undefined,
    more: Row,
  ): readonly Referenced[] =>
    spec === undefined ? [] : [{ column, table, rows: [{ targets: spec.targets, ...more }] }]
  const sampling = (spec: CollectorSpec | undefined): Row =>
    spec?.rate === undefined ? {} : { sampling: [spec.rate] }
  return [
    ...(controllers === undefined
      ? []
      : [{ column: 'controller', table: 'Controller', rows: controllers.map((target) => ({ target })) }]),
    ...collected('sflow', 'sFlow', sflow, sampling(sflow)),
    ...collected(
      'netflow',
      'NetFlow',
      netflow,
      netflow?.rate === undefined ? {} : { active_timeout: netflow.rate },
    ),
    ...collected('ipfix', 'IPFIX', ipfix, sampling(ipfix)),
  ]
}

/** Of a bridge that is there. */
export function settingUpdates(
  view: View,
  bridge: TableRow,
  settings: BridgeSettings,
  unique: string,
): readonly Operation[] {
  return [
    ...columnUpdates('Bridge', bridge, settingColumns(settings)),
    ...keyUpdates('Bridge', bridge, 'other_config', otherConfig(settings)),
    ...referenced(settings)
      .filter(({ column, table, rows }) => {
        const stored = listOf(bridge.row[column]).flatMap((id) => {
          const row = view.row(table, String(id))
          return row === undefined ? [] : [row]
        })
        return (
          stored.length !== rows.length || !rows.every((row) => stored.some((other) => holds(other, row)))
        )
      })
      .flatMap((wanted) => {
        const { columns, insertions } = referenceRows([wanted], unique)
        return [...insertions, op.update('Bridge', byUuid(bridge), columns)]
      }),
  ]
}

/** Of a bridge that is being inserted: its columns, and the rows that they refer to. */
export function settingsOfNew(
  settings: BridgeSettings,
  unique: string,
): { readonly columns: Row; readonly insertions: readonly Operation[] } {
  const { columns, insertions } = referenceRows(referenced(settings), unique)
  return { columns: { ...settingColumns(settings), ...columns }, insertions }
}

function referenceRows(
  all: readonly Referenced[],
  unique: string,
): { readonly columns: Row; readonly insertions: readonly Operation[] } {
  const named = all.map(({ column, table, rows }) => ({
    column,
    table,
    rows: rows.map((row, index) => ({ row, id: `${column}${unique}_${index}` })),
  }))
  return {
    columns: Object.fromEntries(
      named.map(({ column, rows }) => [column, rows.map(({ id }) => namedUuid(id))]),
    ),
    insertions: named.flatMap(({ table, rows }) => rows.map(({ row, id }) => op.insert(table, row, id))),
  }
}
