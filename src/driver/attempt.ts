import type { NetworkRecord } from './records'

/**
 * Does a part of a round, on which no other part depends: where it fails, that is told, and the round goes on.
 *
 * @param what for the log: "<what> could not be put right".
 * @param name of what, for the log.
 * @returns whether it succeeded.
 */
export type Attempt = (what: string, name: string, work: () => Promise<void>) => Promise<boolean>

/**
 * As {@link Attempt}, for a network that was seen to differ: under the locks of the network and its bridge, for a request
 * may be about to make the same so. `work` gets the record as it is then and looks again; it is not called where the
 * network has gone meanwhile.
 */
export type AttemptOnNetwork = (
  what: string,
  network: NetworkRecord,
  work: (current: NetworkRecord) => Promise<void>,
) => Promise<boolean>

/** What a round gives to those who put their part of the host right. */
export interface Attempts {
  readonly part: Attempt
  readonly network: AttemptOnNetwork
}
