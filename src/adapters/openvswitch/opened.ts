import type { DatapathType } from '../../driver/switch'
import { DriverError } from '../../errors'
import type { View } from './view'
import { datapathOf, errorOf, isOwned, openFlowPort } from './view'

/** The number by which OpenFlow knows a port that ovs-vswitchd has opened. @throws DriverError `PORT_FAILED` */
export function numberOfOpenPort(view: View, name: string): number {
  const link = view.interfaceRow(name)?.row
  const ofport = openFlowPort(link)
  if (ofport !== undefined) return ofport
  throw DriverError.of('PORT_FAILED', [name, errorOf(link) ?? 'it has no OpenFlow port number'])
}

/**
 * ovs-vswitchd says what is wrong with a bridge only through the bridge's local interface.
 *
 * @throws DriverError `KERNEL_DATAPATH_MISSING`, `BRIDGE_FAILED` or `TUN_MISSING`
 */
export function refuseBrokenBridge(view: View, name: string, hostDatapath: DatapathType): void {
  const bridge = view.bridgeRow(name)?.row
  if (bridge === undefined || !isOwned(bridge)) return
  const local = view.interfaceRow(name)?.row
  if (openFlowPort(local) !== undefined) return
  const reason = errorOf(local)
  if (datapathOf(bridge) === 'system') {
    throw reason === undefined && hostDatapath === 'netdev'
      ? DriverError.of('KERNEL_DATAPATH_MISSING', [name])
      : DriverError.of('BRIDGE_FAILED', [name, reason ?? 'see the log of ovs-vswitchd'])
  }
  throw DriverError.of('TUN_MISSING', [name, reason ?? 'see the log of ovs-vswitchd'])
}
