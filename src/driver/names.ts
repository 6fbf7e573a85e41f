/** IFNAMSIZ is 16 with the terminating zero: `ovs-veth0-` leaves five characters. */
const ID_CHARACTERS = 5

const BRIDGE_PREFIX = 'ovsbr-'
const HOST_LINK_PREFIX = 'ovs-veth0-'
const CONTAINER_LINK_PREFIX = 'ethc'

/**
 * The five-character pieces of an id that may stand in a name, in order of preference. Five hex digits of a random id
 * collide (38 % with 1000 endpoints), so a name is only a label: rows and links are found by their owner mark, and who
 * meets a taken name takes the next piece.
 */
export function* idPieces(id: string): Generator<string> {
  const last = Math.max(id.length - ID_CHARACTERS, 0)
  for (let start = 0; start <= last; start += 1) yield id.slice(start, start + ID_CHARACTERS)
}

export function bridgeNameFrom(piece: string): string {
  return BRIDGE_PREFIX + piece
}

export function gatewayPortNameFrom(piece: string): string {
  return `ovsgw-${piece}`
}

export interface LinkNames {
  readonly hostLink: string
  readonly containerLink: string
}

export function linkNamesFrom(piece: string): LinkNames {
  return { hostLink: HOST_LINK_PREFIX + piece, containerLink: CONTAINER_LINK_PREFIX + piece }
}

/** An id as Docker prints it. */
export function shortId(id: string): string {
  return id.slice(0, 12)
}
