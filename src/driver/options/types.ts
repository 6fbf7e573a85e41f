import type { ENDPOINT_SPECS, NETWORK_SPECS, OptionSpec } from './specs'

export type Specs = Readonly<Record<string, OptionSpec<unknown>>>

export type Values<S extends Specs> = {
  readonly [Name in keyof S]?: S[Name] extends OptionSpec<infer T> ? T : never
}

/** The parsed `-o` options of a network; what is absent was not given. */
export type NetworkOptions = Values<typeof NETWORK_SPECS> &
  Required<Pick<Values<typeof NETWORK_SPECS>, 'mode' | 'gateway' | 'icc'>>

/** The parsed driver options of one container's endpoint. */
export type EndpointOptions = Values<typeof ENDPOINT_SPECS>

/** Those that a network has for all its containers' ports and that a container may have for its own. */
export type PortOptions = Omit<EndpointOptions, 'mirror'>
