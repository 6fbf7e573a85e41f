import type { PortSpec } from '../../../driver/switch'
import { DriverError } from '../../../errors'
import type { Operation, Row, TableRow } from '../../ovsdb'
import { namedUuid, op, uuid } from '../../ovsdb'
import { ENDPOINT_KEY, MAC_KEY, OWNER, OWNER_KEY } from '../schema'
import type { View } from '../view'
import { listOf } from '../view'
import { vlanColumns } from './bridge-ports'
import { byUuid, columnUpdates, holds } from './columns'
import { mirrorRemovals } from './mirrors'

/** @throws DriverError `NAME_TAKEN` where the port was made by or for somebody else. */
export function portOperations(view: View, port: PortSpec, unique: string): readonly Operation[] {
  const existing = view.portRow(port.name)
  if (existing === undefined) return insertion(view, port, unique)
  const current = view.port(port.name)
  if (current !== undefined && current.endpointId !== port.endpointId) {
    throw DriverError.of('NAME_TAKEN', [port.name])
  }
  const link = view.interfaceRow(port.name)
  return [
    ...columnUpdates('Port', existing, portColumns(port)),
    ...(link === undefined ? [] : columnUpdates('Interface', link, policingColumns(port))),
    ...shapingUpdates(view, existing, port, unique),
    ...(current === undefined || current.bridge === port.bridge
      ? []
      : [
          op.mutate('Bridge', [['name', '==', current.bridge]], [['ports', 'delete', [uuid(existing.uuid)]]]),
          op.assertExists('Bridge', [['name', '==', port.bridge]]),
          op.mutate('Bridge', [['name', '==', port.bridge]], [['ports', 'insert', [uuid(existing.uuid)]]]),
        ]),
  ]
}

function insertion(view: View, port: PortSpec, unique: string): readonly Operation[] {
  const { name, bridge, endpointId, macAddress } = port
  if (view.interfaceRow(name) !== undefined) throw DriverError.of('NAME_TAKEN', [name])
  const [interfaceId, portId] = [`interface${unique}`, `port${unique}`]
  const mac = [MAC_KEY, macAddress] as const
  const shaping = shapingRow(port)
  const qosId = `qos${unique}`
  return [
    op.assertExists('Bridge', [['name', '==', bridge]]),
    op.assertAbsent('Port', [['name', '==', name]]),
    ...qosRemovals(view, endpointId),
    ...(shaping === undefined ? [] : [op.insert('QoS', shaping, qosId)]),
    op.insert('Interface', { name, external_ids: new Map([mac]), ...policingColumns(port) }, interfaceId),
    op.insert(
      'Port',
      {
        name,
        interfaces: [namedUuid(interfaceId)],
        external_ids: new Map([[OWNER_KEY, OWNER], [ENDPOINT_KEY, endpointId], mac]),
        ...portColumns(port),
        ...(shaping === undefined ? {} : { qos: [namedUuid(qosId)] }),
      },
      portId,
    ),
    op.mutate('Bridge', [['name', '==', bridge]], [['ports', 'insert', [namedUuid(portId)]]]),
  ]
}

function portColumns(port: PortSpec): Row {
  return { ...vlanColumns(port), protected: port.isolated }
}

/** Without a rate asked for, what an operator set stays. A burst of 0 lets ovs-vswitchd choose. */
function policingColumns({ policing }: PortSpec): Row {
  if (policing === undefined) return {}
  return { ingress_policing_rate: policing.rate, ingress_policing_burst: policing.burst ?? 0 }
}

/** ovs-vswitchd makes queue 0 itself, with the rate of the whole. */
function shapingRow({ egressRate, endpointId }: PortSpec): Row | undefined {
  if (egressRate === undefined) return undefined
  return {
    type: 'linux-htb',
    other_config: new Map([['max-rate', String(egressRate * 1000)]]),
    external_ids: new Map([
      [OWNER_KEY, OWNER],
      [ENDPOINT_KEY, endpointId],
    ]),
  }
}

/** A queueing discipline that an operator chose for the port stays where the user asked for no rate. */
function shapingUpdates(
  view: View,
  existing: TableRow,
  port: PortSpec,
  unique: string,
): readonly Operation[] {
  const shaping = shapingRow(port)
  if (shaping === undefined) return []
  const [current] = listOf(existing.row['qos'])
  const stored = current === undefined ? undefined : view.row('QoS', String(current))
  if (stored !== undefined && holds(stored, shaping)) return []
  const qosId = `qos${unique}`
  return [
    ...qosRemovals(view, port.endpointId),
    op.insert('QoS', shaping, qosId),
    op.update('Port', byUuid(existing), { qos: [namedUuid(qosId)] }),
  ]
}

/** Rows of QoS outlive the ports that refer to them. */
function qosRemovals(view: View, endpointId: string): readonly Operation[] {
  return view.qosOf(endpointId).map((found) => op.remove('QoS', byUuid(found)))
}

/** A port that no bridge holds is dropped by the server, and its interface with it. Our mirrors to it go, too. */
export function portRemoval(view: View, name: string, endpointId: string): readonly Operation[] {
  const existing = view.portRow(name)
  const current = view.port(name)
  const shaping = qosRemovals(view, endpointId)
  if (existing === undefined || current?.endpointId !== endpointId) return shaping
  // The server drops the port at the end, and would refuse to delete what it refers to until then.
  return [
    ...(shaping.length === 0 ? [] : [op.update('Port', byUuid(existing), { qos: [] })]),
    ...mirrorRemovals(view, existing),
    op.mutate('Bridge', [['name', '==', current.bridge]], [['ports', 'delete', [uuid(existing.uuid)]]]),
    ...shaping,
  ]
}
