import type { Enter } from '../fixtures/helper'
import { datagramRate, roundTrip } from '../fixtures/stream'
import { tcpRate } from './iperf'
import type { Samples } from './measure'
import { interleaveReadings } from './measure'

/** Where packets come from and go to. */
export interface Path {
  readonly from: Enter
  readonly to: Enter
  /** Of `to`. */
  readonly address: string
}

/** What paths bring of TCP, of small UDP datagrams, and how long they take: `tcp_<name>`, `udp_<name>`, `round_trip_<name>`. */
export async function comparePaths(
  paths: Readonly<Record<string, Path>>,
  rounds: number,
): Promise<readonly Samples[]> {
  const compare = (
    what: string,
    unit: Samples['unit'],
    read: (from: Enter, to: Enter, address: string) => Promise<number>,
  ): Promise<readonly Samples[]> => {
    const readings = Object.entries(paths).map(
      ([name, { from, to, address }]) => [`${what}_${name}`, () => read(from, to, address)] as const,
    )
    return interleaveReadings(rounds, unit, Object.fromEntries(readings))
  }
  return [
    ...(await compare('tcp', 'kbit/s', tcpRate)),
    ...(await compare('udp', 'packets/s', datagramRate)),
    ...(await compare('round_trip', 'ms', roundTrip)),
  ]
}
