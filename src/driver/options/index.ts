export { uplinksOf } from './combinations'
export { parseEndpointOptions, parseNetworkOptions } from './parse'
export type { NetworkOptions, PortOptions } from './types'
