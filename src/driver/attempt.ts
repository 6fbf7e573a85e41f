/**
 * Does a part of a round, on which no other part depends: where it fails, that is told, and the round goes on.
 *
 * @param what for the log: "<what> could not be put right".
 * @param name of what, for the log.
 * @returns whether it succeeded.
 */
export type Attempt = (what: string, name: string, work: () => Promise<void>) => Promise<boolean>
