import type { RecordTexts } from '../../driver/records'
import type { DatapathType, ObservedBridge, ObservedPort, OwnedPort } from '../../driver/switch'
import type { Replica, StoredRow, StoredValue, TableRow } from '../ovsdb'
import { ENDPOINT_KEY, MAC_KEY, NETWORK_KEY, OWNER, OWNER_KEY } from './schema'

/** Reads a replica of the Open_vSwitch database in the driver's terms. Every lookup goes by an index. */
export class View {
  constructor(private readonly replica: Replica) {}

  /** The database's one root row; absent in a database that was never initialised. */
  private root(): TableRow | undefined {
    for (const [uuid, row] of this.replica.rows('Open_vSwitch')) return { uuid, row }
    return undefined
  }

  /** `external_ids` of the root row: the driver's records, and what others keep there. */
  records(): RecordTexts {
    return texts(this.root()?.row['external_ids'])
  }

  userspaceSegmentation(): boolean {
    return texts(this.root()?.row['other_config']).get('userspace-tso-enable') === 'true'
  }

  /** The changes that ovs-vswitchd shall apply, as they are counted, and how many of them it has applied. */
  config(): { readonly announced: number; readonly applied: number } {
    const root = this.root()?.row
    return { announced: numberOf(root?.['next_cfg']) ?? 0, applied: numberOf(root?.['cur_cfg']) ?? 0 }
  }

  bridgeRow(name: string): TableRow | undefined {
    return this.replica.find('Bridge', 'name', name)[0]
  }

  portRow(name: string): TableRow | undefined {
    return this.replica.find('Port', 'name', name)[0]
  }

  interfaceRow(name: string): TableRow | undefined {
    return this.replica.find('Interface', 'name', name)[0]
  }

  bridgeOf(portUuid: string): TableRow | undefined {
    return this.replica.find('Bridge', 'ports', portUuid)[0]
  }

  bridge(name: string): ObservedBridge | undefined {
    const found = this.bridgeRow(name)
    return found === undefined ? undefined : this.observeBridge(found.row)
  }

  port(name: string): ObservedPort | undefined {
    const found = this.portRow(name)
    return found === undefined ? undefined : this.observePort(found)
  }

  ownedBridges(): readonly ObservedBridge[] {
    return this.replica
      .find('Bridge', `external_ids:${OWNER_KEY}`, OWNER)
      .map(({ row }) => this.observeBridge(row))
  }

  ownedPorts(): readonly OwnedPort[] {
    return this.replica.find('Port', `external_ids:${OWNER_KEY}`, OWNER).flatMap((found) => {
      const port = this.observePort(found)
      return port?.endpointId === undefined ? [] : [{ ...port, endpointId: port.endpointId }]
    })
  }

  borrowedBridges(): readonly string[] {
    const names = this.replica.find('Port', `external_ids:${OWNER_KEY}`, OWNER).flatMap((port) => {
      const bridge = isNetworkPort(port.row) ? this.bridgeOf(port.uuid) : undefined
      return bridge === undefined || isOwned(bridge.row) ? [] : [textOf(bridge.row['name'])]
    })
    return [...new Set(names)]
  }

  /** The ports of a bridge that are ours and no container's, its own local port left out. */
  networkPortsOf(bridge: StoredRow): readonly TableRow[] {
    return this.portsOf(bridge).filter(({ row }) => isNetworkPort(row))
  }

  ownedMirrorsOf(bridge: StoredRow): readonly TableRow[] {
    return listOf(bridge['mirrors']).flatMap((id) => {
      const row = this.row('Mirror', String(id))
      return row === undefined || !isOwned(row) ? [] : [{ uuid: String(id), row }]
    })
  }

  qosOf(endpointId: string): readonly TableRow[] {
    return this.replica.find('QoS', `external_ids:${ENDPOINT_KEY}`, endpointId)
  }

  row(table: string, uuid: string): StoredRow | undefined {
    return this.replica.rows(table).get(uuid)
  }

  /** The ports of a bridge, its own local port left out. */
  portsOf(bridge: StoredRow): readonly TableRow[] {
    const ports = this.replica.rows('Port')
    return listOf(bridge['ports']).flatMap((uuid) => {
      const row = ports.get(String(uuid))
      return row === undefined || row['name'] === bridge['name'] ? [] : [{ uuid: String(uuid), row }]
    })
  }

  private observeBridge(row: StoredRow): ObservedBridge {
    const name = textOf(row['name'])
    const local = this.interfaceRow(name)?.row
    const mtu = numberOf(local?.['mtu_request']) ?? numberOf(local?.['mtu'])
    return {
      name,
      owned: isOwned(row),
      datapath: datapathOf(row),
      ...(mtu === undefined ? {} : { mtu }),
    }
  }

  private observePort({ uuid, row }: TableRow): ObservedPort | undefined {
    const bridge = this.bridgeOf(uuid)
    if (bridge === undefined) return undefined
    const name = textOf(row['name'])
    const link = this.interfaceRow(name)?.row
    const ids = texts(row['external_ids'])
    const optional = {
      endpointId: isOwned(row) ? ids.get(ENDPOINT_KEY) : undefined,
      macAddress: ids.get(MAC_KEY),
      vlan: numberOf(row['tag']),
      ofport: openFlowPort(link),
      error: errorOf(link),
    }
    const present = Object.entries(optional).filter(([, value]) => value !== undefined)
    return {
      name,
      bridge: textOf(bridge.row['name']),
      isolated: row['protected'] === true,
      ...Object.fromEntries(present),
    }
  }
}

export function isOwned(row: StoredRow): boolean {
  return texts(row['external_ids']).get(OWNER_KEY) === OWNER
}

function isNetworkPort(port: StoredRow): boolean {
  return isOwned(port) && texts(port['external_ids']).has(NETWORK_KEY)
}

/** ovs-vswitchd takes the empty string for `system`. */
export function datapathOf(bridge: StoredRow): DatapathType {
  return bridge['datapath_type'] === 'netdev' ? 'netdev' : 'system'
}

/** Why ovs-vswitchd could not open an interface. */
export function errorOf(row: StoredRow | undefined): string | undefined {
  const [error] = listOf(row?.['error'])
  return typeof error === 'string' && error !== '' ? error : undefined
}

/** -1 stands for an interface that could not be opened. */
export function openFlowPort(row: StoredRow | undefined): number | undefined {
  const port = numberOf(row?.['ofport'])
  return port === undefined || port < 0 ? undefined : port
}

export function textOf(value: StoredValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

/** An optional or plain integer column. */
function numberOf(value: StoredValue | undefined): number | undefined {
  const atom = Array.isArray(value) ? (value as readonly unknown[])[0] : value
  return typeof atom === 'number' ? atom : undefined
}

export function listOf(value: StoredValue | undefined): readonly (string | number | boolean)[] {
  return Array.isArray(value) ? (value as readonly (string | number | boolean)[]) : []
}

/** A map column of strings. */
function texts(value: StoredValue | undefined): ReadonlyMap<string, string> {
  return value instanceof Map ? (value as ReadonlyMap<string, string>) : new Map<string, string>()
}
