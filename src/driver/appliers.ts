import type { Abandoned } from './abandoned'
import type { EndpointApplier } from './apply-endpoint'
import type { NetworkApplier } from './apply-network'

/** What changes records and host together. */
export interface Appliers {
  readonly networks: NetworkApplier
  readonly endpoints: EndpointApplier
  readonly abandoned: Abandoned
}
