import { endpointOfOwner } from './desired'
import type { Records } from './records'
import { networkOfOwner } from './tunnel'
import type { ObservedUnderlay } from './underlay-links'
import { movedLinks, uplinkLinks } from './uplinks'

/** What a network that is gone has left: whoever removed it died, or failed, on the way. */
export type UnderlayStray =
  | { readonly kind: 'tunnel device'; readonly name: string; readonly owner: string }
  /** The host's own stack sees nothing of what arrives on it. */
  | { readonly kind: 'guarded link'; readonly name: string }
  /** The link is still without what the host's own stack had on it. */
  | { readonly kind: 'moved addresses'; readonly name: string }

/** @param isClaimed whether a network that is being made has the link, though no record says so yet. */
export function underlayStrays(
  { links }: Pick<ObservedUnderlay, 'links'>,
  records: Pick<Records, 'network' | 'networks' | 'movedFrom'>,
  isClaimed: (link: string) => boolean,
): readonly UnderlayStray[] {
  const networks = records.networks()
  const uplinks = new Set(networks.flatMap(uplinkLinks))
  const moved = new Set(networks.flatMap(movedLinks))
  const strays: UnderlayStray[] = []
  for (const [name, { owner, bypassesHostStack }] of links) {
    if (isClaimed(name)) continue
    const networkId = networkOfOwner(owner)
    if (owner !== undefined && networkId !== undefined && records.network(networkId) === undefined) {
      strays.push({ kind: 'tunnel device', name, owner })
    }
    if (bypassesHostStack && endpointOfOwner(owner) === undefined && !uplinks.has(name)) {
      strays.push({ kind: 'guarded link', name })
    }
  }
  for (const name of records.movedFrom()) {
    if (!moved.has(name) && !isClaimed(name)) strays.push({ kind: 'moved addresses', name })
  }
  return strays
}

export function describeStray({ kind, name }: UnderlayStray): string {
  switch (kind) {
    case 'tunnel device':
      return `stray tunnel device ${name}`
    case 'guarded link':
      return `link ${name} is no uplink any more and has an ingress guard`
    case 'moved addresses':
      return `link ${name} lacks the addresses that moved to a bridge`
  }
}
