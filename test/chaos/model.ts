/** What Docker believes there is. */
export interface ModelNetwork {
  readonly id: string
  readonly mode: 'flat' | 'nat'
  /** CIDR, and the gateway in it. */
  readonly pool: string
  readonly gateway: string
  readonly bridge?: string
  readonly vlan?: number
}

export interface ModelEndpoint {
  readonly id: string
  readonly networkId: string
  /** In the container. */
  readonly link: string
}

export interface Model {
  readonly networks: ReadonlyMap<string, ModelNetwork>
  readonly endpoints: ReadonlyMap<string, ModelEndpoint>
  /** Endpoints that Docker may have forgotten and the driver may still keep for a Join: the answer was lost on its way. */
  readonly undecided: ReadonlySet<string>
}

interface RecordedNetwork {
  readonly id: string
  readonly bridge: string
  readonly gatewayLink?: string
}

interface RecordedEndpoint {
  readonly id: string
  readonly networkId: string
  readonly hostLink: string
  readonly containerLink: string
}

/** What the host has, read without the driver. */
export interface Observed {
  readonly networks: readonly RecordedNetwork[]
  readonly endpoints: readonly RecordedEndpoint[]
  /** Port names by bridge. */
  readonly bridges: ReadonlyMap<string, readonly string[]>
  readonly tags: ReadonlyMap<string, number>
  readonly linksUp: ReadonlySet<string>
  /** Every link of the host, up or not. */
  readonly links: ReadonlySet<string>
  /** Addresses in CIDR form by link. */
  readonly addresses: ReadonlyMap<string, readonly string[]>
  readonly filter: string
}

/** Everything in which the host is not what Docker believes, one line each. Pure. */
export function disagreements(model: Model, observed: Observed): readonly string[] {
  const bridgesExpected = new Set(observed.networks.map(({ bridge }) => bridge))
  const undecided = observed.endpoints.filter(({ id }) => model.undecided.has(id))
  const linksUndecided = new Set(undecided.map(({ containerLink }) => containerLink))
  const portsExpected = new Set([
    ...observed.endpoints.map(({ hostLink }) => hostLink),
    ...observed.networks.flatMap(({ gatewayLink }) => gatewayLink ?? []),
  ])
  const routed = [...model.networks.values()].filter(({ mode }) => mode === 'nat')
  return [
    ...differingSets(
      'network',
      new Set(model.networks.keys()),
      new Set(observed.networks.map(({ id }) => id)),
    ),
    ...differingSets(
      'endpoint',
      new Set(model.endpoints.keys()),
      new Set(observed.endpoints.filter((each) => !undecided.includes(each)).map(({ id }) => id)),
    ),
    ...differingSets('bridge', bridgesExpected, new Set(observed.bridges.keys())),
    ...[...observed.bridges.values()]
      .flat()
      .flatMap((port) => (portsExpected.has(port) ? [] : [`port ${port} leaked`])),
    ...[...observed.links]
      .filter((link) => /^(ovs-veth0-|ethc|ovsbr-|ovsgw-)/.test(link))
      .filter((link) => ![portsExpected, bridgesExpected, linksUndecided].some((set) => set.has(link)))
      .map((link) => `link ${link} leaked`),
    ...observed.endpoints.flatMap((endpoint) => endpointDisagreements(model, observed, endpoint)),
    ...routed.flatMap(({ id, gateway }) => {
      const link = observed.networks.find((network) => network.id === id)?.gatewayLink ?? ''
      return observed.addresses.get(link)?.includes(gateway) === true
        ? []
        : [`gateway ${gateway} is not on ${link}`]
    }),
    ...(routed.length === 0 && observed.filter.includes('DOVESNAP') ? ['packet filter leaked'] : []),
    ...routed.flatMap(({ pool }) => (observed.filter.includes(pool) ? [] : [`packet filter lacks ${pool}`])),
  ]
}

function endpointDisagreements(
  { networks }: Model,
  { networks: recorded, bridges, tags, linksUp }: Observed,
  { id, networkId, hostLink }: RecordedEndpoint,
): readonly string[] {
  const bridge = recorded.find((network) => network.id === networkId)?.bridge ?? ''
  return [
    ...(bridges.get(bridge)?.includes(hostLink) === true
      ? []
      : [`endpoint ${id}: ${hostLink} is not on ${bridge}`]),
    ...(tags.get(hostLink) === networks.get(networkId)?.vlan
      ? []
      : [`endpoint ${id}: ${hostLink} has a wrong tag`]),
    ...(linksUp.has(hostLink) ? [] : [`endpoint ${id}: ${hostLink} is not up`]),
  ]
}

function differingSets(
  what: string,
  expected: ReadonlySet<string>,
  actual: ReadonlySet<string>,
): readonly string[] {
  return [
    ...[...expected].filter((item) => !actual.has(item)).map((item) => `${what} ${item} lost`),
    ...[...actual].filter((item) => !expected.has(item)).map((item) => `${what} ${item} leaked`),
  ]
}
