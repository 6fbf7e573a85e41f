import type { BridgePortSpec, BridgeSpec, InterfaceSpec, VlanSpec } from '../../../driver/switch'
import { DriverError } from '../../../errors'
import type { Operation, Row, TableRow } from '../../ovsdb'
import { namedUuid, op, uuid } from '../../ovsdb'
import { NETWORK_KEY, OWNER, OWNER_KEY } from '../schema'
import type { View } from '../view'
import { isOwned, listOf, textOf } from '../view'
import { byUuid, columnUpdates } from './columns'

/** The columns of a Port row that say which VLANs it carries. */
export function vlanColumns({ vlan, trunks = [], vlanMode }: VlanSpec): Row {
  return {
    tag: vlan === undefined ? [] : [vlan],
    trunks,
    vlan_mode: vlanMode === undefined ? [] : [vlanMode],
  }
}

/**
 * The ports of ours on a bridge that are no container's: makes, mends and removes them.
 *
 * @param existing absent: the bridge is inserted by the same transaction, and its local port with it.
 * @throws DriverError `NAME_TAKEN` or `PORT_ELSEWHERE`.
 */
export function bridgePortOperations(
  view: View,
  bridge: BridgeSpec,
  existing: TableRow | undefined,
  unique: string,
): readonly Operation[] {
  const wanted = new Set(bridge.ports.map(({ name }) => name))
  const surplus = (existing === undefined ? [] : view.networkPortsOf(existing.row)).filter(
    ({ row }) => !wanted.has(textOf(row['name'])),
  )
  return [
    ...(existing === undefined ? [] : portRemovals(existing, surplus)),
    ...bridge.ports
      .filter(({ name }) => existing !== undefined || name !== bridge.name)
      .flatMap((port, index) => portOperations(view, bridge, port, `${unique}_${index}`)),
  ]
}

/** A port that no bridge holds is dropped by the server, and its interfaces with it. */
export function portRemovals(bridge: TableRow, ports: readonly TableRow[]): readonly Operation[] {
  if (ports.length === 0) return []
  return [op.mutate('Bridge', byUuid(bridge), [['ports', 'delete', ports.map((port) => uuid(port.uuid))]])]
}

function portOperations(
  view: View,
  bridge: BridgeSpec,
  port: BridgePortSpec,
  unique: string,
): readonly Operation[] {
  const found = view.portRow(port.name)
  if (found === undefined) return insertion(view, bridge.name, port, unique)
  if (port.name === bridge.name) return columnUpdates('Port', found, vlanColumns(port))
  const home = view.bridgeOf(found.uuid)
  const homeName = textOf(home?.row['name'])
  if (home !== undefined && homeName !== bridge.name) {
    throw DriverError.of('PORT_ELSEWHERE', [port.name, homeName, bridge.name])
  }
  if (!isOwned(found.row)) {
    if (port.mayBeOthers) return []
    throw DriverError.of('NAME_TAKEN', [port.name])
  }
  const members = listOf(found.row['interfaces']).flatMap((id) => {
    const row = view.row('Interface', String(id))
    return row === undefined ? [] : [{ uuid: String(id), row }]
  })
  const names = new Set(members.map(({ row }) => textOf(row['name'])))
  const isComplete =
    names.size === port.interfaces.length && port.interfaces.every(({ name }) => names.has(name))
  if (!isComplete && home !== undefined) {
    return [...portRemovals(home, [found]), ...rows(bridge.name, port, unique)]
  }
  return [
    ...columnUpdates('Port', found, portColumns(port)),
    ...port.interfaces.flatMap((spec) =>
      members
        .filter(({ row }) => row['name'] === spec.name)
        .flatMap((member) => columnUpdates('Interface', member, interfaceColumns(spec))),
    ),
  ]
}

function insertion(view: View, bridge: string, port: BridgePortSpec, unique: string): readonly Operation[] {
  for (const { name } of port.interfaces) {
    if (view.interfaceRow(name) !== undefined) throw DriverError.of('NAME_TAKEN', [name])
  }
  return [op.assertAbsent('Port', [['name', '==', port.name]]), ...rows(bridge, port, unique)]
}

function rows(bridge: string, port: BridgePortSpec, unique: string): readonly Operation[] {
  const portId = `network_port${unique}`
  const members = port.interfaces.map((spec, index) => ({ spec, id: `network_interface${unique}_${index}` }))
  return [
    ...members.map(({ spec, id }) =>
      op.insert('Interface', { name: spec.name, ...interfaceColumns(spec) }, id),
    ),
    op.insert(
      'Port',
      {
        name: port.name,
        interfaces: members.map(({ id }) => namedUuid(id)),
        ...portColumns(port),
        external_ids: new Map([
          [OWNER_KEY, OWNER],
          [NETWORK_KEY, port.networkId],
        ]),
      },
      portId,
    ),
    op.mutate('Bridge', [['name', '==', bridge]], [['ports', 'insert', [namedUuid(portId)]]]),
  ]
}

function portColumns(port: BridgePortSpec): Row {
  const { bondMode, isolated } = port
  return {
    ...vlanColumns(port),
    protected: isolated,
    bond_mode: bondMode === undefined ? [] : [bondMode],
    // ovs-vswitchd.conf.db(5): balance-tcp needs LACP.
    lacp: bondMode === 'balance-tcp' ? ['active'] : [],
  }
}

function interfaceColumns({ type, options, ofport, mtu }: InterfaceSpec): Row {
  return {
    type,
    options: new Map(Object.entries(options)),
    ...(ofport === undefined ? {} : { ofport_request: [ofport] }),
    ...(mtu === undefined ? {} : { mtu_request: [mtu] }),
  }
}
