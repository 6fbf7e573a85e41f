import { parseNetworkOptions } from './options'
import type { NetworkRecord } from './records'

export const ETHERNET_MTU = 1500

/** The MTU that a network asks for, by option or for its tunnel's sake, in bytes; `undefined` where any will do. */
export function mtuOf({ options, tunnelMtu }: NetworkRecord): number | undefined {
  return parseNetworkOptions(options).mtu ?? tunnelMtu
}
