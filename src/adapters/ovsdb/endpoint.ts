/** Where a server listens. Certificates and keys are PEM texts, not paths. */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | {
      readonly kind: 'ssl'
      readonly host: string
      readonly port: number
      /** Absent: the authorities that Node trusts. */
      readonly ca?: string
      readonly cert?: string
      readonly key?: string
    }

/** The port that IANA gave OVSDB. */
const defaultPort = 6640

/**
 * Reads Open vSwitch's notation: `unix:/path`, `tcp:host[:port]`, `ssl:host[:port]`, an IPv6 address in brackets.
 *
 * @throws RangeError on anything else.
 */
export function parseEndpoint(text: string): Endpoint {
  const unix = /^unix:(\/.*)$/.exec(text)
  if (unix?.[1] !== undefined) return { kind: 'unix', path: unix[1] }
  const inet = /^(tcp|ssl):(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const host = inet?.[2] ?? inet?.[3]
  const port = Number(inet?.[4] ?? defaultPort)
  if (inet === null || host === undefined || port < 1 || port > 65535) {
    throw new RangeError(`not an OVSDB endpoint: ${text} (unix:/path, tcp:host[:port] or ssl:host[:port])`)
  }
  return inet[1] === 'tcp' ? { kind: 'tcp', host, port } : { kind: 'ssl', host, port }
}

/** The notation that {@link parseEndpoint} reads: without certificates and keys, for logs. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`
  const host = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host
  return `${endpoint.kind}:${host}:${endpoint.port}`
}
