/** Keys under which requests and reconcile exclude each other. */
export const lockKey = {
  network: (id: string): string => `network ${id}`,
  endpoint: (id: string): string => `endpoint ${id}`,
  /** Taken inside a network's, never the other way round: several networks may share a bridge. */
  bridge: (name: string): string => `bridge ${name}`,
  /** A NIC or tunnel device of the host's; taken inside a bridge's. */
  link: (name: string): string => `link ${name}`,
  /** The host's packet filter and kernel settings, with the records they follow from; taken inside any of the others. */
  host: 'host',
}
